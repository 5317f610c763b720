-- A value as of now, as a reply. Needs lib/state_layout and lib/state_meta. Uses: now (ms). `field` v for the bytes, too.
local function read_value(key, field)
  local found = redis.call('HMGET', key, 'm', field)
  if found[1] and string.byte(found[1]) ~= LAYOUT then
    return redis.error_reply('LAYOUT this value has layout ' .. string.byte(found[1]) .. ', this dcoord knows ' .. LAYOUT)
  end
  local m = read_meta(found[1])
  local version = string.format('%.0f', m.version)
  if m.present == 0 then return {'absent', version, m.changes, m.time, m.who} end
  return {'value', version, m.changes, m.time, left_of(m), string.format('%.0f', m.fence), m.who, found[2] or ''}
end
