--[[ lock/reclaim: ends a hold that was left behind, if it is still as the caller saw it, and hands over in the same step.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  changes, of an election; none for a lock
  ARGV[1]  token of the hold; '' for all whose lease has ended
  ARGV[2]  proof: ended (its lease has), gone (the caller saw that its holder is), broken (none is wanted)
  ARGV[3]  with gone: end of its lease as the caller saw it, ms; a hold that was renewed since is left alone
  ARGV[4]  least time since its lease ended, or if it has not, since it was last renewed, ms
  ARGV[5]  who does it, opaque
  Returns  {reclaimed, whether somebody in line has it now, unsent...}  it is over, and its token buried
  Returns  {renewed}  its lease was raised since the caller looked: its holder lives
  Returns  {younger}  it is not so long ago yet
  Returns  {gone}  there is no such hold, or its lease has not ended
  Writes  yes
  Retry  safe: what this operator did last is found in the log
]]
-- @include lib/lock_layout
local lock, line, waiters, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, proof, seen_end, least, by = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
if not (seen_end and least) then return redis.error_reply('MISUSE lock/reclaim: a number is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 't', 'l', 'z')
local raw, ring_raw = found[1], found[2]
if not raw then return {'gone'} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
local caller, ttl = nil, 0
-- @include lib/lock_tombs
-- @include lib/lock_histogram
-- @include lib/lock_state
-- @include lib/lock_changes
-- @include lib/lock_line
load_state(raw)
ring = ring_raw
slots = st.limit > 0 and redis.call('HGET', lock, 'b') or ''
log = found[3] or nil

-- Whether the last that was logged is what this same request did, and its reply got lost.
local function done_before()
  if not log or log == '' then return false end
  local what, _, at, _, _, doer = struct.unpack('<BdddI2c0I2c0', log)
  return what >= BROKEN and doer == by and now - at < MINUTE
end

-- Takes a live hold away; it counts as lost.
local function take(id, h, as)
  remove_holder(id, h)
  ring, st.ring_changed = bury(ring, id, now), true
  if not has(h.flags, RESTING) then st.lost = st.lost + 1 end
  note('lost', h, as, by)
end

-- Of the holds whose lease has ended the latest, which may have been purged already; or nil.
local function latest_ended()
  local latest = found[4] and read_holder(found[4]) or nil
  for _, h in pairs(ended) do
    if not has(h.flags, OFFERED) and not has(h.flags, RESTING) and (not latest or h.ends > latest.ends) then
      latest = h
    end
  end
  return latest
end

local own = live_entries()[token]
if own and (has(own.flags, OFFERED) or has(own.flags, RESTING)) then own = nil end
if own and proof ~= 'ended' then
  if proof == 'gone' and own.ends ~= seen_end then return {'renewed'} end
  if now - (own.ends - own.ttl) < least then return {'younger'} end
  for id in pairs(with_nested(token)) do take(id, live_entries()[id], proof == 'gone' and RECLAIMED or BROKEN) end
  mail(own.mailbox, 'revoked')
else
  local last = (token == '' or ended[token] ~= nil) and latest_ended() or nil
  if not last then
    if not own and done_before() then return {'reclaimed', st.holders + st.offers > 0 and 1 or 0} end
    return {'gone'}
  end
  if now - last.ends < least then return {'younger'} end
  purge()
  log, log_changed = add_to_log(log, RECLAIMED, last.since, now, last.fence, last.who, by), true
end
if st.stale == 1 then unset[#unset + 1] = 'z' end
st.stale, stale_record = 0, nil
st.min_end = 0
for _, h in pairs(live_entries()) do
  if st.min_end == 0 or h.ends < st.min_end then st.min_end = h.ends end
end
local offers_before = st.offers
advance(true)
put_extras()
-- Freeing first: when memory is out, a script is only let through if its first write frees.
redis.call('HDEL', lock, '')
save_state()
write_changes(st.expires)
return send({'reclaimed', st.offers > offers_before and 1 or 0})
