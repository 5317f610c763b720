--[[ event/group: where a group stands in a topic, as of now and without changing anything.
  KEYS[1]  topic
  KEYS[2]  group
  KEYS[3]  timers of the group
  Returns  {absent}  there is no such group
  Returns  {group, ms, number, lag, in flight, waiting, taken, handled, returned, given up, missed, n times (member, id, attempt, lease left ms)}  ms and number of the last event that it was given; lag: how many came after it; waiting: failed, to be given again; up to 100 of those in flight
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/event_layout
local events = ''
local group, timers = KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', group)
if #all == 0 then return {'absent'} end
local fields = {}
for i = 1, #all, 2 do fields[all[i]] = all[i + 1] end
local raw_topic = redis.call('HGET', KEYS[1], 't')
if string.byte(fields.s) ~= LAYOUT or raw_topic and string.byte(raw_topic) ~= LAYOUT then
  return redis.error_reply('LAYOUT this group has layout ' .. string.byte(fields.s) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/event_topic
-- @include lib/event_group
local s, t = read_group(fields.s), read_topic(raw_topic)
local flight, waiting, members = 0, 0, {}
for field, body in pairs(fields) do
  if string.sub(field, 1, 1) == '+' then
    waiting = waiting + 1
  elseif field ~= 's' and field ~= 't' then
    flight = flight + 1
    if flight <= 100 then
      local item = read_body(body)
      local ends = tonumber(redis.call('ZSCORE', timers, field) or now)
      members[#members + 1] = item.who
      members[#members + 1] = id_of(item.ms, item.n)
      members[#members + 1] = item.attempts + 1
      members[#members + 1] = ends - now
    end
  end
end
local reply = {'group', s.ms, s.n, math.max(0, t.n - s.n), flight, waiting, s.taken, s.done, s.returned, s.given_up, s.missed}
for _, value in ipairs(members) do reply[#reply + 1] = value end
return reply
