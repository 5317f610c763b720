--[[ queue/leave: a consumer gives up: it leaves the line, and what it was given goes back as if never taken.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  ARGV[1]  token of the take
  Returns  {left, how many items it gave back, unsent...}
  Writes  yes
  Retry  safe: a token that left stays so, while the ring of the last 32 remembers it
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8]
local token = ARGV[1]
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
leave_line({token})
local items, receipts = delivered(token)
land(items, receipts)
put_ready(items, true)
move_due()
serve(nil)
tell_first(nil)
save_state(s, 't', ring_has(ring, token) and ring or ring_add(ring, token))
if s[PUSHED] == 0 then redis.call('PEXPIRE', queue, DAY) end
return send({'left', #items})
