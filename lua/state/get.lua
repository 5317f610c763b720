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
local found = redis.call('HMGET', KEYS[1], 'm', ARGV[1])
if found[1] and string.byte(found[1]) ~= LAYOUT then
  return redis.error_reply('LAYOUT this value has layout ' .. string.byte(found[1]) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/state_meta
local m = read_meta(found[1])
local version = string.format('%.0f', m.version)
if m.present == 0 then return {'absent', version, m.changes, m.time, m.who} end
return {'value', version, m.changes, m.time, left_of(m), string.format('%.0f', m.fence), m.who, found[2] or ''}
