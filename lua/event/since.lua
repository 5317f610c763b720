--[[ event/since: where somebody begins to read a topic; changes nothing.
  KEYS[1]  events
  KEYS[2]  topic
  ARGV[1]  start (all that is kept), now (what comes), back N (what is N ms old), or at N (what came since then, ms)
  Returns  {from, ms, number}  read behind this
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/event_layout
local events = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local raw = redis.call('HGET', KEYS[2], 't')
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this topic has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/event_topic
local ms, n = begin_at(read_topic(raw), ARGV[1])
if not ms then return redis.error_reply('MISUSE event/since: ' .. ARGV[1]) end
return {'from', ms, n}
