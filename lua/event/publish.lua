--[[ event/publish: appends events to a topic in their order, each position of a producer once, and trims what is kept no longer.
  KEYS[1]  events
  KEYS[2]  topic
  KEYS[3]  producers
  KEYS[4]  producers of the time before
  KEYS[5]  index of the bucket's topics
  ARGV[1]  producer, a token
  ARGV[2]  position: how many events of this producer stand before these
  ARGV[3]  flags: f whatever stood before is known to be done, so that a gap is none
  ARGV[4]  how many events the topic keeps from now on, 0: however many; '' as before
  ARGV[5]  for how long it keeps them, ms, 0: for ever; '' as before
  ARGV[6]  who publishes, for people
  ARGV[7]  name of the topic, for the index
  ARGV[8..]  the events' bytes, 2000 at most
  Returns  {published, ms, first number, how many, position behind, new}  ids are ms-number, and the numbers follow each other; new 1: the topic was not there
  Returns  {again, ms, first number, how many, position behind}  all were published before; 0, 0, 0 if it is not known under which ids
  Returns  {gap, position}  what stands before these was not published: nothing was done
  Writes  yes
  Retry  safe: the position tells what was done
]]
-- @include lib/event_layout
local events, topic, producers, producer = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local position, count = tonumber(ARGV[2]), #ARGV - 7
if not position or count < 1 or count > 2000 then
  return redis.error_reply('MISUSE event/publish: not what the header says')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local raw = redis.call('HGET', topic, 't')
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this topic has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/event_topic
-- What this producer published before: position behind it; ms, first number and how many of its last batch.
local PRODUCER = '<dddd'
local known = redis.call('HGET', producers, producer) or redis.call('HGET', KEYS[4], producer)
local skip = 0
if known then
  local behind, ms, first, many = struct.unpack(PRODUCER, known)
  if behind >= position + count then
    if behind > position + count or many ~= count then ms, first, many = 0, 0, 0 end
    return {'again', ms, first, many, behind}
  end
  skip = math.max(0, behind - position)
  if behind < position and not string.find(ARGV[3], 'f', 1, true) then return {'gap', behind} end
elseif position > 0 and not string.find(ARGV[3], 'f', 1, true) then
  return {'gap', 0}
end

local t = read_topic(raw)
local was_bounded = t.age
if ARGV[4] ~= '' then t.most = tonumber(ARGV[4]) end
if ARGV[5] ~= '' then t.age = tonumber(ARGV[5]) end
t.ms = math.max(t.ms, now)
local first, take = t.n + 1, count - skip
t.n = t.n + take
-- The first write is one that is refused when memory is out, so that nothing is.
redis.call('HSET', producers, producer, struct.pack(PRODUCER, position + count, t.ms, first, take))
if now >= t.rotate then
  redis.call('UNLINK', KEYS[4])
  redis.call('RENAME', producers, KEYS[4])
  redis.call('PEXPIRE', KEYS[4], 20 * MINUTE)
  t.rotate = now + 10 * MINUTE
end
if first == 1 then redis.call('ZADD', KEYS[5], 'NX', now, ARGV[7]) end
local prefix, who, from = string.format('%.0f-', t.ms), ARGV[6], 7 + skip
for i = 1, take do
  redis.call('XADD', events, prefix .. string.format('%.0f', first + i - 1), 'w', who, 'd', ARGV[from + i])
end
redis.call('HSET', topic, 't', struct.pack(TOPIC, LAYOUT, t.ms, t.n, t.most, t.age, t.since, t.rotate))
-- Not more than 20,000 at once, so that nobody waits long for a topic that was kept longer until now.
if t.most > 0 and t.n > t.most then
  local length = redis.call('XLEN', events)
  if length > t.most then redis.call('XTRIM', events, 'MAXLEN', string.format('%.0f', math.max(t.most, length - 20000))) end
end
if t.age > 0 then
  redis.call('XTRIM', events, 'MINID', '~', string.format('%.0f', math.max(0, now - t.age)), 'LIMIT', 20000)
  redis.call('PEXPIRE', events, string.format('%.0f', t.age))
elseif was_bounded > 0 then
  redis.call('PERSIST', events)
end
return {'published', t.ms, first, take, position + count, first == 1 and 1 or 0}
