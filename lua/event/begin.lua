--[[ event/begin: when a group that follows a pattern began, for topics that it has not met; the first to ask decides.
  KEYS[1]  the group's beginning
  ARGV[1]  start, now or back N (ms)
  Returns  {began, ms}  what came since then is the group's
  Writes  yes
  Retry  safe: it is decided once
]]
local word = ARGV[1]
local began = redis.call('GET', KEYS[1])
if not began then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local back = string.match(word, '^back (%d+)$')
  began = string.format('%.0f', word == 'start' and 0 or math.max(0, now - (back or 0)))
  redis.call('SET', KEYS[1], began)
end
return {'began', began}
