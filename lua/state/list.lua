--[[ state/list: what is known of several values, as of one moment and without changing anything.
  KEYS[1..]  values
  ARGV[1]  v for the bytes, too
  Returns  {values, as state/get for each, ...}
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/state_layout
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/state_meta
-- @include lib/state_read
local reply = {'values'}
for i = 1, #KEYS do
  local value = read_value(KEYS[i], ARGV[1])
  if value.err then return value end
  reply[i + 1] = value
end
return reply
