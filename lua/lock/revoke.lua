--[[ lock/revoke: takes a hold away safely: its renewals are refused from now on, and its holder is told to stop.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  changes, of an election; none for a lock
  ARGV[1]  token of the hold
  ARGV[2]  token of the waiter that shall be next, or ''
  ARGV[3]  who does it, opaque
  Returns  {revoked, lease left ms, unsent...}  the holder stops, releases, and only then is the next one granted
  Returns  {gone}  this token does not hold the lock
  Returns  {absent}  whoever should be next does not wait; nothing was done
  Writes  yes
  Retry  safe: it stays revoked
]]
-- @include lib/lock_layout
local lock, line, changes, token, successor = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
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
-- @include lib/lock_changes
local own = read_holder(own_raw)
if own.ends <= now or has(own.flags, RESTING) then return {'gone'} end
if successor ~= '' and not redis.call('ZSCORE', line, successor) then return {'absent'} end
if successor ~= '' then
  local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
  if head[1] ~= successor then
    redis.call('HDEL', lock, '')
    redis.call('ZADD', line, 'XX', string.format('%.0f', tonumber(head[2]) - 1), successor)
  end
end
if not has(own.flags, REVOKED) then
  own.flags = own.flags + REVOKED
  redis.call('HDEL', lock, '')  -- freeing first: let through when memory is out
  if not has(own.flags, OFFERED) then note('revoked', own, TAKEN, ARGV[3]) end
  redis.call('HSET', lock, 'h' .. token, pack_holder(own))
  if log_changed then redis.call('HSET', lock, 'l', log) end
end
local _, _, expires = struct.unpack('<Bdd', raw)
write_changes(expires)
mail(own.mailbox, 'revoked')
return send({'revoked', own.ends - now})
