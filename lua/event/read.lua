--[[ event/read: the events of a topic behind one that is known; changes nothing.
  KEYS[1]  events
  KEYS[2]  topic
  ARGV[1]  ms and
  ARGV[2]  number of the event that is known
  ARGV[3]  how many at most, up to 500; fewer come when they are large
  Returns  {events, how many, more, n times (id, who, bytes)}  in order, 1 if there may be more of them; a number that does not follow the one before tells how many were trimmed
  Returns  {reset, ms, number}  the topic's last event, which is older than the one that is known: the topic began anew
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/event_layout
local events = KEYS[1]
local ms, n, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not (ms and n and most) or most < 1 or most > 500 then
  return redis.error_reply('MISUSE event/read: a number is not one')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local raw = redis.call('HGET', KEYS[2], 't')
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this topic has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/event_topic
-- @include lib/event_range
local t = read_topic(raw)
if t.ms < ms or (t.ms == ms and t.n < n) then return {'reset', t.ms, t.n} end
local entries, more = range(ms, n, most)
local reply = {'events', #entries, more}
for _, entry in ipairs(entries) do
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = entry[2][2]
  reply[#reply + 1] = entry[2][4]
end
return reply
