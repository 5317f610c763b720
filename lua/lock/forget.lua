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
-- Whatever the layout: an entry's flags and end stand first in every one of them.
local all = redis.call('HGETALL', lock)
for i = 1, #all, 2 do
  if string.byte(all[i]) == 104 then
    local h = read_holder(all[i + 1])
    if h.ends > now then return {'held', h.who} end
  end
end
local line_raw = redis.call('HVALS', waiters)
for _, raw in ipairs(line_raw) do
  if read_waiter(raw).deadline > now then return {'waited'} end
end
redis.call('ZREM', KEYS[4], ARGV[1])
if redis.call('DEL', lock, line, waiters) > 0 then return {'forgotten'} end
return {'absent'}
