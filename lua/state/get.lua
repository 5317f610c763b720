--[[ state/get: the value, and what is known of it, as of now and without changing anything.
  KEYS[1]  value
  ARGV[1]  v for the bytes, too
  Returns  {value, version, changes, at ms, left ms, fence, who, bytes}  left -1: it does not expire
  Returns  {absent, version, changes, at ms, who}  deleted, expired or never set (then all 0)
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/state_layout
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/state_meta
-- @include lib/state_read
return read_value(KEYS[1], ARGV[1])
