--[[ queue/nack: gives deliveries back: ready again at once or later, or dead.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  ARGV[1]  id of this request, or the token of the take that it ends
  ARGV[2]  delay, ms
  ARGV[3]  what becomes of them: retry, dead, or untried (given back as if never taken)
  ARGV[4]  of the dead: why, opaque
  ARGV[5..]  receipts, 250 at most, or one of a bundle
  Returns  {returned, how many, unsent...}  the rest was not in flight any more
  Returns  {again}  this request was answered before
  Writes  yes
  Retry  safe: the request is remembered
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8]
local pause, fate = tonumber(ARGV[2]), ARGV[3]
if not pause or #ARGV < 5 or #ARGV > 4 + MOST_MOVED or not (fate == 'retry' or fate == 'dead' or fate == 'untried') then
  return redis.error_reply('MISUSE queue/nack: not what the header says')
end
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
-- @include lib/queue_flow
-- @include lib/queue_line
if ring_has(ring, ARGV[1]) then return {'again'} end
local before = unsettled(s)
local items, receipts = in_flight({unpack(ARGV, 5)})
if #items > 0 then
  land(items, receipts)
  for _, item in ipairs(items) do
    if fate ~= 'untried' then item.attempts = item.attempts + 1 end
  end
  if fate == 'dead' then
    bury(items, ARGV[4])
  else
    if fate == 'retry' then s[RETURNED] = s[RETURNED] + #items end
    table.sort(items, function(a, b) return a.id < b.id end)
    if pause > 0 then delay(items, now + pause) else put_ready(items, true) end
  end
end
move_due()
serve(nil)
tell_first(nil)
tell_drained(before)
save_state(s, 't', #items > 0 and ring_add(ring, ARGV[1]) or ring or '')
return send({'returned', #items})
