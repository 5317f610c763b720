--[[ queue/revive: makes dead items ready again, as if never tried.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  ARGV[1..]  ids, 250 at most; none: the oldest 250
  Returns  {revived, how many, how many dead are left, unsent...}  the ids that are not among the dead are passed over
  Writes  yes
  Retry  safe: what is not dead any more is passed over
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8]
local time = redis.call('TIME')
local now = math.floor((time[1] * 1e6 + time[2]) / 1000)
local raw = redis.call('HGET', queue, 's')
if not raw then return {'revived', 0, 0} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this queue has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_state
local s = load_state(raw)
-- @include lib/queue_flow
-- @include lib/queue_line
local ids = {unpack(ARGV)}
if #ids == 0 then ids = redis.call('ZRANGE', dead, 0, MOST_MOVED - 1) end
local items, fields = {}, {}
for _, id in ipairs(ids) do
  local body = redis.call('HGET', bodies, '!' .. id)
  if body and redis.call('ZREM', dead, id) == 1 then
    local item = read_body(body)
    item.attempts = 0
    items[#items + 1] = item
    fields[#fields + 1] = '!' .. id
    fields[#fields + 1] = '?' .. id
  end
end
if #items > 0 then
  redis.call('HDEL', bodies, unpack(fields))
  s[DEAD] = s[DEAD] - #items
  put_ready(items, false)
end
move_due()
serve(nil)
tell_first(nil)
save_state(s)
return send({'revived', #items, s[DEAD]})
