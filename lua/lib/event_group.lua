-- A group's state, and the events that it has in flight. Uses: group (key).
local function read_group(raw)
  local s = {ms = 0, n = 0, taken = 0, done = 0, returned = 0, given_up = 0, missed = 0}
  if raw then
    local _
    _, s.ms, s.n, s.taken, s.done, s.returned, s.given_up, s.missed = struct.unpack(GROUP, raw)
  end
  return s
end

local function save_group(s, ...)
  redis.call('HSET', group, 's', struct.pack(GROUP, LAYOUT, s.ms, s.n, s.taken, s.done, s.returned, s.given_up, s.missed), ...)
end

local function pack_body(item, many, missed, who)
  return struct.pack(BODY, item.ms, item.n, math.min(item.attempts, 65535), many, missed) .. who
end

local function read_body(raw)
  local item, at = {}, nil
  item.ms, item.n, item.attempts, item.many, item.missed, at = struct.unpack(BODY, raw)
  item.who = string.sub(raw, at)
  return item
end
