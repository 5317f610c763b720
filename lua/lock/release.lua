--[[ lock/release: ends a hold or leaves the line, for good, and hands over to the next in the same step.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  changes, of an election; none for a lock
  ARGV[1]  token
  ARGV[2]  time the hold lasts at least, ms, from its grant: what is left of it nobody else gets in; or 0
  ARGV[3]  timeout if a waiter leaves because its wait ran out, else ''
  Returns  {released, held ms, stays taken ms, unsent...}  ended now; 0, 0 if it had been released before
  Returns  {left, unsent...}  it was in line, or offered the lock and had not claimed it
  Returns  {gone, unsent...}  it neither holds nor waits: never did, or its lease has ended
  Writes  yes
  Retry  safe: a token that was released or left stays so for a minute
]]
-- @include lib/lock_layout
local lock, line, waiters, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, least = ARGV[1], tonumber(ARGV[2])
if not least then return redis.error_reply('MISUSE lock/release: the time is not a number') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 't', 'h' .. token, 'd', 'l')
local raw, ring_raw, own_raw, holds = found[1], found[2], found[3], found[4]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/lock_tombs
-- @include lib/lock_histogram
-- @include lib/lock_log

-- The common case: the only holder, nobody in line.
if raw and own_raw and least == 0 and not changes then
  local _, fence, expires, min_end, max_end, line_expires, limit, holders, offers, nested, exclusive, in_line,
    stale, last_ticket, lapsed, roll_start, roll_upto, roll_end, acquired, contended, lost, timed_out, reset_at =
    struct.unpack(STATE, raw)
  local flags, _, ends, since, own_fence, _, _, _, _, who = struct.unpack(HOLDER, own_raw)
  if holders == 1 and offers + in_line + stale + limit == 0 and flags <= SHARED and ends > now then
    redis.call('HDEL', lock, 'h' .. token)
    redis.call('HSET', lock, 's', struct.pack(STATE, LAYOUT, fence, expires, 0, max_end, line_expires, 0, 0, 0, 0, 0, 0,
      0, last_ticket, lapsed, 0, 0, 0, acquired, contended, lost, timed_out, reset_at), 't', bury(ring_raw, token, now), 'd',
      record(holds, now - since), 'l', add_to_log(found[5], RELEASED, since, now, own_fence, who, ''))
    return {'released', now - since, 0}
  end
end

local caller, ttl = nil, 0
-- @include lib/lock_state
-- @include lib/lock_changes
-- @include lib/lock_line
if not raw then
  -- A lock that is not there: only the tombstone, in case the acquire is still under way.
  redis.call('HDEL', lock, '')
  redis.call('HSET', lock, 't', bury(ring_raw, token, now))
  redis.call('PEXPIRE', lock, 2 * MINUTE)
  return {'gone'}
end
load_state(raw)
ring = ring_raw
slots = st.limit > 0 and redis.call('HGET', lock, 'b') or ''
purge()

-- Ends a live hold and what is nested under it; what is left of its least time it stays taken. Returns that, ms.
local function end_hold(own)
  local rest = math.max(0, own.since + least - now)
  for id in pairs(with_nested(token)) do
    local h = live_entries()[id]
    if not has(h.flags, OFFERED) and not has(h.flags, RESTING) then
      holds = record(holds, now - h.since)
      note('resigned', h)
    end
    if id == token and rest > 0 then
      h.flags, h.ends = h.flags + RESTING, now + rest
      write_holder(id, h)
    else
      remove_holder(id, h)
      if id ~= token then ring = bury(ring, id, now) end
    end
  end
  put('d', holds)
  return rest
end

local reply, first_may_look_earlier = {'gone'}, false
local own = own_raw and read_holder(own_raw)
if own and own.ends > now and not has(own.flags, RESTING) then
  if has(own.flags, OFFERED) then
    remove_holder(token, own)
    reply = {'left'}
  else
    local rest = end_hold(own)
    first_may_look_earlier = rest > 0
    reply = {'released', now - own.since, rest}
  end
elseif st.waiters > 0 and redis.call('ZSCORE', line, token) then
  leave_line({token})
  if ARGV[3] == 'timeout' then st.timed_out = st.timed_out + 1 end
  first_may_look_earlier = true
  reply = {'left'}
elseif not own and ring and string.find(ring, token, 1, true) then
  return {'released', 0, 0}
end
ring = bury(ring, token, now)
st.ring_changed = true
if st.holders + st.offers == 0 then st.min_end = 0 end
advance(first_may_look_earlier)
put_extras()
-- Freeing first: when memory is out, a script is only let through if its first write frees.
redis.call('HDEL', lock, '')
save_state()
write_changes(st.expires)
return send(reply)
