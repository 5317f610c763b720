--[[ event/forget: removes a topic with all that belongs to it, or one group of it.
  KEYS[1]  topic
  KEYS[2]  index of the bucket's topics
  KEYS[3..]  what else goes: events, producers and groups with their timers, or those of the one group
  ARGV[1]  name of the topic
  ARGV[2]  name of the group, or '' for all of the topic
  Returns  {forgotten, 1 if there was something}
  Writes  yes
  Retry  safe: what is gone is gone
]]
local gone = ARGV[2] == '' and redis.call('ZREM', KEYS[2], ARGV[1]) or redis.call('HDEL', KEYS[1], 'g' .. ARGV[2])
if ARGV[2] == '' then gone = math.max(gone, redis.call('UNLINK', KEYS[1])) end
local keys = {}
for i = 3, #KEYS do keys[#keys + 1] = KEYS[i] end
gone = math.max(gone, redis.call('UNLINK', unpack(keys)))
return {'forgotten', gone}
