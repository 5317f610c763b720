--[[ queue/show: what is in a queue, as of now and without changing anything.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  Returns  {absent, server ms}  never pushed to
  Returns  {queue, server ms, ready, delayed, in flight, dead, overdue, waiting, oldest ready us, pushed, done, returned, buried, since ms, pushed last minute, done last minute, groups, n times (lane, priority, ready)}  overdue: delayed or in flight still, though the time has come; up to 100 lanes
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8]
local time = redis.call('TIME')
local now = math.floor((time[1] * 1e6 + time[2]) / 1000)
local raw = redis.call('HGET', queue, 's')
if not raw then return {'absent', now} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this queue has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_state
local s = load_state(raw)
-- @include lib/queue_drained
-- @include lib/queue_bundle
count_up(s, DONE, MINUTE_DONE, 0)
local groups, oldest = {}, 0
local function seen(id)
  if oldest == 0 or id < oldest then oldest = id end
end
local head = redis.call('LINDEX', ready, 0)
if head then seen((struct.unpack('<d', head))) end
local function add(lane, priority, count)
  groups[#groups + 1], groups[#groups + 2], groups[#groups + 3] = lane, priority, count
end
local listed, after = s[READY], '-'
for _ = 1, s[LANED] > 0 and 200 or 0 do
  local member = redis.call('ZRANGEBYLEX', lanes, after, '+', 'LIMIT', 0, 1)[1]
  if not member then break end
  local lane, digit = string.sub(member, 1, -19), string.sub(member, -17, -17)
  local start = lane .. NUL .. digit
  if listed > 0 and (lane ~= '' or 9 - digit < NORMAL) then
    add('', NORMAL, listed)
    listed = 0
  end
  seen(tonumber(string.sub(member, -16)))
  add(lane, 9 - digit, redis.call('ZLEXCOUNT', lanes, '[' .. start, '[' .. start .. ':'))
  after = '(' .. start .. ':'
end
if listed > 0 then add('', NORMAL, listed) end
-- Of very many, those that died are not left out.
local waiting = s[WAITERS] > 500 and s[WAITERS] or 0
local records = s[WAITERS] > 0 and waiting == 0 and redis.call('HVALS', waiters) or {}
for _, record in ipairs(records) do
  if read_waiter(record).deadline > now then waiting = waiting + 1 end
end
-- A part of the minute before the running one stands in for what is not over of it.
local part = 1 - math.min(1, (now - s[MINUTE_AT]) / MINUTE)
local overdue = s[DUE] > 0 and s[DUE] <= now and redis.call('ZCOUNT', timers, '-inf', now) or 0
for _, member in ipairs(overdue > 0 and redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, 200) or {}) do
  if is_bundle(member) then overdue = overdue + bundle_size(member) - 1 end
end
local reply = {'queue', now, s[READY] + s[LANED], s[DELAYED], s[FLIGHT], s[DEAD], overdue, waiting, string.format('%.0f', oldest), s[PUSHED],
  s[DONE], s[RETURNED], s[BURIED], s[SINCE], math.floor(s[MINUTE_PUSHED] + s[BEFORE_PUSHED] * part),
  math.floor(s[MINUTE_DONE] + s[BEFORE_DONE] * part), #groups / 3}
for _, value in ipairs(groups) do reply[#reply + 1] = value end
return reply
