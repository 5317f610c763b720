--[[ state/list: what is stored of several values, as of one moment and without changing anything.
  KEYS[1..]  values
  ARGV[1]  v for the bytes, too
  Returns  {values, now ms, record, ...}  as lib/state_layout packs it; false: nothing is known of that value
  Returns  {values, now ms, record, bytes, ...}  with v
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/state_layout
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- To unpack the records here would take the server longer than all the rest.
local reply, bytes = {'values', now}, ARGV[1] == 'v'
for i = 1, #KEYS do
  local record, value
  if bytes then
    local found = redis.call('HMGET', KEYS[i], 'm', 'v')
    record, value = found[1], found[2]
  else
    record = redis.call('HGET', KEYS[i], 'm')
  end
  if record and string.byte(record) ~= LAYOUT then
    return redis.error_reply('LAYOUT this value has layout ' .. string.byte(record) .. ', this dcoord knows ' .. LAYOUT)
  end
  reply[#reply + 1] = record
  if bytes then reply[#reply + 1] = value end
end
return reply
