--[[ lock/revoke: takes a hold away safely: its renewals are refused from now on, and its holder is told to stop.
  KEYS[1]  lock
  ARGV[1]  token of the hold
  Returns  {revoked, lease left ms, unsent...}  the holder stops, releases, and only then is the next one granted
  Returns  {gone}  this token does not hold the lock
  Writes  yes
  Retry  safe: it stays revoked
]]
-- @include lib/lock_layout
local lock, token = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 'h' .. token)
local raw, own_raw = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
if not raw or not own_raw then return {'gone'} end
-- @include lib/lock_state
local own = read_holder(own_raw)
if own.ends <= now or has(own.flags, RESTING) then return {'gone'} end
if not has(own.flags, REVOKED) then
  own.flags = own.flags + REVOKED
  redis.call('HDEL', lock, '')  -- freeing first: let through when memory is out
  redis.call('HSET', lock, 'h' .. token, pack_holder(own))
end
mail(own.mailbox, 'revoked')
return send({'revoked', own.ends - now})
