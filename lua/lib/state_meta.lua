-- What is known of a value besides its bytes, as a table. Uses: now (ms). A value that has expired counts as deleted at that
-- moment, the same for all that look.
local function read_meta(raw)
  local m = {present = 0, version = 0, changes = 0, time = 0, fence = 0, deadline = 0, who = ''}
  if not raw then return m end
  local _
  _, m.present, m.version, m.changes, m.time, m.fence, m.deadline, m.who = struct.unpack(META, raw)
  m.expires = m.present == 0 or m.deadline > 0
  if m.present == 1 and m.deadline > 0 and m.deadline <= now then
    m.present, m.version, m.changes, m.time = 0, math.max(m.version + 1, m.deadline * 1000), m.changes + 1, m.deadline
    m.deadline, m.who = 0, ''
  end
  return m
end

local function left_of(m)
  return m.deadline > 0 and m.deadline - now or -1
end
