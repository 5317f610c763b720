--[[ queue/extend: raises the end of a delivery's lease, never lowers it, and brings none back that has ended.
  KEYS[1]  timers
  ARGV[1]  lease from now on, ms
  ARGV[2..]  receipts, 250 at most
  Returns  {extended, server ms, n times lease left ms}  in the order of the receipts; 0: it is not in flight any more
  Writes  yes
  Retry  safe: only ever raises the end
]]
local timers, lease = KEYS[1], tonumber(ARGV[1])
if not lease or #ARGV < 2 or #ARGV > 251 then return redis.error_reply('MISUSE queue/extend: not what the header says') end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1e6 + time[2]) / 1000)
local receipts = {unpack(ARGV, 2)}
local reply, raised = {'extended', now}, {}
for i, score in ipairs(redis.call('ZMSCORE', timers, unpack(receipts))) do
  local ends = score and tonumber(score) or 0
  if ends > now then
    if ends < now + lease then
      ends = now + lease
      raised[#raised + 1] = ends
      raised[#raised + 1] = receipts[i]
    end
    reply[i + 2] = ends - now
  else
    reply[i + 2] = 0
  end
end
if #raised > 0 then redis.call('ZADD', timers, 'XX', unpack(raised)) end
return reply
