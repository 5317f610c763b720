--[[ event/show: what is known of a topic, as of now and without changing anything.
  KEYS[1]  events
  KEYS[2]  topic
  Returns  {absent, server ms}  nothing was published, no group waits for it
  Returns  {topic, server ms, kept, first id, ms, number, keep, keep ms, since ms, n times group}  ms and number of the last event; first id '' if none is kept
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/event_layout
local events = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[2])
if #all == 0 then return {'absent', now} end
-- @include lib/event_topic
local raw, groups = nil, {}
for i = 1, #all, 2 do
  if all[i] == 't' then raw = all[i + 1] else groups[#groups + 1] = string.sub(all[i], 2) end
end
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this topic has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
local t = read_topic(raw)
local first = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
local reply = {'topic', now, redis.call('XLEN', events), first and first[1] or '', t.ms, t.n, t.most, t.age, t.since}
for _, group in ipairs(groups) do reply[#reply + 1] = group end
return reply
