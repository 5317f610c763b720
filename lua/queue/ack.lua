--[[ queue/ack: ends deliveries for good: their items are done.
  KEYS[1]  queue
  KEYS[2]  bodies
  KEYS[3]  timers
  KEYS[4]  line
  KEYS[5]  waiters
  ARGV[1]  id of this request, or the token of the take that it ends
  ARGV[2..]  receipts, 2000 at most
  Returns  {done, how many, how many were not, n times receipt, unsent...}  the receipts are those that were not in flight any more: acknowledged or given back before, or their lease ended and somebody else has them
  Returns  {again}  this request was answered before
  Writes  yes
  Retry  safe: the request is remembered, and what is done is done
]]
-- @include lib/queue_layout
local queue, bodies, timers, line, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if #ARGV < 2 or #ARGV > 2001 then return redis.error_reply('MISUSE queue/ack: not 1 to 2000 receipts') end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1e6 + time[2]) / 1000)
local found = redis.call('HMGET', queue, 's', 't')
local raw, ring = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this queue has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_ring
-- @include lib/queue_state
local s = load_state(raw)
-- @include lib/queue_done
if ring_has(ring, ARGV[1]) then return {'again'} end
local before = unsettled(s)
local n, gone = finish_deliveries({unpack(ARGV, 2)})
if n > 0 then save_state(s, 't', ring_add(ring, ARGV[1])) end
local reply = {'done', n, #gone, unpack(gone)}
if s[ENDERS] == 0 then return reply end
-- @include lib/queue_drained
tell_drained(before)
return send(reply)
