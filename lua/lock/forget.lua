--[[ lock/forget: removes what is stored of a lock that nobody holds and nobody waits for.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  index of the bucket's locks
  ARGV[1]  name of the lock
  Returns  {forgotten}  nothing of it is left; its next fencing token is still larger than its last
  Returns  {absent}  there was nothing
  Returns  {held, holder}  somebody holds it
  Returns  {waited}  somebody waits for it
  Writes  yes
  Retry  safe: what is gone is gone
]]
-- @include lib/lock_layout
local lock, line, waiters = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
-- @include lib/lock_state
-- Whatever the layout: an entry's flags, slot and end stand first in every one of them, as do a waiter's.
local all = redis.call('HGETALL', lock)
local ring, known = nil, false
for i = 1, #all, 2 do
  if string.byte(all[i]) == 104 and #all[i + 1] >= 13 then
    local _, _, ends = struct.unpack('<BI4d', all[i + 1])
    if ends > now then return {'held', #all[i + 1] > 50 and read_holder(all[i + 1]).who or ''} end
  end
  if all[i] == 't' then ring = all[i + 1] else known = true end
end
for _, raw in ipairs(redis.call('HVALS', waiters)) do
  local _, deadline = struct.unpack('<Bd', raw)
  if deadline > now then return {'waited'} end
end
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', lock, line, waiters)
-- What was released or given up within the last minute stays so.
if ring and #ring >= 40 and struct.unpack('<d', ring, #ring - 7) > now - MINUTE then
  redis.call('HSET', lock, 't', ring)
  redis.call('PEXPIRE', lock, 2 * MINUTE)
end
return {known and 'forgotten' or 'absent'}
