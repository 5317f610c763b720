--[[ queue/purge: throws away items that are ready, delayed or dead; never those in flight.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  KEYS[9]  producers that wait for room
  ARGV[1]  which: ready, delayed or dead
  ARGV[2..]  of the dead, the ids of these only; none: all
  Returns  {purged, how many, how many are left, unsent...}  with some left it has to be run again: one call throws away about 250 that are not simply ready
  Writes  yes
  Retry  safe: what is gone is gone
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters, room = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5],
  KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local which = ARGV[1]
local time = redis.call('TIME')
local now = math.floor((time[1] * 1e6 + time[2]) / 1000)
local raw = redis.call('HGET', queue, 's')
if not raw then return {'purged', 0, 0} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this queue has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_state
local s = load_state(raw)
-- @include lib/queue_drained
-- @include lib/queue_room
local purged, before, long = 0, unsettled(s), length(s)

-- Takes members out of a sorted set and their fields out of the bodies.
local function throw(set, members, fields, count)
  if #members == 0 then return end
  redis.call('HDEL', bodies, unpack(fields))
  local gone = redis.call('ZREM', set, unpack(members))
  purged, s[count] = purged + gone, s[count] - gone
end

if which == 'ready' then
  purged = s[READY]
  redis.call('UNLINK', ready)
  s[READY] = 0
  local members, fields = redis.call('ZRANGE', lanes, 0, MOST_MOVED - 1), {}
  for i, member in ipairs(members) do fields[i] = '=' .. string.format('%.0f', tonumber(string.sub(member, -16))) end
  throw(lanes, members, fields, LANED)
elseif which == 'delayed' then
  -- What is in flight stands in the same set; there is less of it than one pass can take.
  local cursor, members = '0', {}
  repeat
    local page = redis.call('ZSCAN', timers, cursor, 'MATCH', '+*', 'COUNT', MOST_MOVED)
    cursor = page[1]
    for i = 1, #page[2], 2 do members[#members + 1] = page[2][i] end
  until cursor == '0' or #members >= math.min(MOST_MOVED, s[DELAYED])
  for first = 1, #members, 2000 do
    local some = {unpack(members, first, math.min(first + 1999, #members))}
    throw(timers, some, some, DELAYED)
  end
else
  local ids, fields = {}, {}
  if #ARGV > 1 then
    ids = {unpack(ARGV, 2)}
  else
    ids = redis.call('ZRANGE', dead, 0, MOST_MOVED - 1)
  end
  for i, id in ipairs(ids) do fields[2 * i - 1], fields[2 * i] = '!' .. id, '?' .. id end
  throw(dead, ids, fields, DEAD)
end
tell_drained(before)
tell_room(long)
save_state(s)
local left = which == 'ready' and s[LANED] or which == 'delayed' and s[DELAYED] or #ARGV == 1 and s[DEAD] or 0
return send({'purged', purged, left})
