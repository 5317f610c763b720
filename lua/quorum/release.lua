--[[ quorum/release: ends a hold or a vote and leaves the line, for good; or takes back what one attempt was given.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  changes, of an election; none for a lock
  ARGV[1]  token
  ARGV[2]  the attempt that is taken back; '' for all of the request
  ARGV[3]  time the hold lasts at least, ms, from its grant; or 0
  ARGV[4]  timeout if a waiter leaves because its wait ran out, else ''
  Returns  {released, held ms, stays taken ms, unsent...}  ended now; 0, 0 if it had been released before
  Returns  {left, unsent...}  it was in line, or had a vote
  Returns  {gone, unsent...}  it had nothing here: never did, or its lease has ended
  Writes  yes
  Retry  safe: a token that was released or left stays so for a minute
]]
-- @include lib/lock_layout
local lock, line, waiters, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, attempt, least = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not least then return redis.error_reply('MISUSE quorum/release: the time is not a number') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 't', 'd', 'q')
local raw, ring_raw, holds, servers = found[1], found[2], found[3], found[4]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
local dead = attempt == '' and token or string.sub(token, 1, 24) .. attempt
local caller, ttl = nil, 0
-- @include lib/lock_histogram
-- @include lib/lock_tombs
-- @include lib/lock_state
-- @include lib/lock_changes
-- @include lib/lock_line
-- @include lib/quorum_state
if not raw or select(7, struct.unpack(STATE, raw)) ~= QUORUM then
  -- Nothing of several servers is there: only the tombstone, in case the ask is still under way.
  redis.call('HDEL', lock, '')
  redis.call('HSET', lock, 't', bury(ring_raw, dead, now))
  if not raw then redis.call('PEXPIRE', lock, 2 * MINUTE) end
  return {'gone'}
end
ring = ring_raw
kept_otherwise(raw, servers)
local reply = {'gone'}
local own = live_entries()[token]
if own and not has(own.flags, RESTING) then
  local rest = math.max(0, own.since + least - now)
  if has(own.flags, OFFERED) then
    rest = 0
    reply = {'left'}
  else
    holds = record(holds, now - own.since)
    put('d', holds)
    note('resigned', own)
    reply = {'released', now - own.since, rest}
  end
  if rest > 0 then
    own.flags, own.ends = own.flags + RESTING, now + rest
    write_holder(token, own)
  else
    remove_holder(token, own)
  end
elseif not own and string.find(ring or '', dead, 1, true) then
  return {'released', 0, 0}
end
if attempt == '' and st.waiters > 0 and redis.call('ZSCORE', line, token) then
  leave_line({token})
  if ARGV[4] == 'timeout' then st.timed_out = st.timed_out + 1 end
  if not own then reply = {'left'} end
end
ring = bury(ring, dead, now)
st.ring_changed = true
if st.holders + st.offers == 0 then st.min_end = 0 end
-- Whoever takes an attempt back asks again by itself.
if attempt == '' then hint() end
return finish(reply)
