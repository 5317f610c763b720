--[[ lock/renew: raises the end of a live hold; never makes one, never lowers one, and touches nothing else.
  KEYS[1]  lock
  ARGV[1]  token
  ARGV[2]  TTL, ms
  Returns  {renewed, lease left ms, server ms}  held on
  Returns  {lost, ended|revoked}  the lease has ended, was released or was taken away
  Writes  yes
  Retry  safe: it only raises
]]
-- @include lib/lock_layout
local lock, field, ttl = KEYS[1], 'h' .. ARGV[1], tonumber(ARGV[2])
if not ttl then return redis.error_reply('MISUSE lock/renew: the TTL is not a number') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', lock, 's', field)
local raw, own = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
if not raw or not own then return {'lost', 'ended'} end
local flags, slot, ends = struct.unpack('<BI4d', own)
if ends <= now then return {'lost', 'ended'} end
if math.floor(flags / REVOKED) % 2 == 1 then return {'lost', 'revoked'} end
if math.floor(flags / OFFERED) % 2 == 1 or math.floor(flags / RESTING) % 2 == 1 then return {'lost', 'ended'} end
ends = math.max(ends, now + ttl)
-- Freeing first: when memory is out, a script is only let through if its first write frees.
redis.call('HDEL', lock, '')
local entry = struct.pack('<BI4d', flags, slot, ends) .. string.sub(own, 14)
local _, fence, expires = struct.unpack('<Bdd', raw)
if ends + DAY > expires then
  expires = ends + DAY + HOUR
  redis.call('HSET', lock, field, entry, 's', struct.pack('<Bdd', LAYOUT, fence, expires) .. string.sub(raw, 18))
  redis.call('PEXPIREAT', lock, expires)
else
  redis.call('HSET', lock, field, entry)
end
return {'renewed', ends - now, now}
