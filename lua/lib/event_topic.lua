-- What is known of a topic, as a table. Uses: now (ms).
local function read_topic(raw)
  local t = {ms = 0, n = 0, most = KEPT, age = 0, since = now, rotate = now + 10 * MINUTE}
  if raw then
    local _
    _, t.ms, t.n, t.most, t.age, t.since, t.rotate = struct.unpack(TOPIC, raw)
  end
  return t
end

local function id_of(ms, n) return string.format('%.0f-%.0f', ms, n) end

local function parse_id(text)
  local ms, n = string.match(text, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(n)
end

-- Where one begins that asks for `word`: start (all that is kept), now (what comes), back N (ms), at N (ms), or an id
-- (behind it). Uses: events (key). The ids there are lie behind what it returns.
local function begin_at(t, word)
  local ms, n = parse_id(word)
  if ms then return ms, n end
  if word == 'now' then return t.ms, t.n end
  local kind, number = string.match(word, '^(%a+) ?(%d*)$')
  local from = kind == 'start' and 0 or kind == 'at' and tonumber(number) or kind == 'back' and now - tonumber(number)
  if not from then return nil end
  local first = redis.call('XRANGE', events, string.format('%.0f', math.max(0, from)), '+', 'COUNT', 1)[1]
  if not first then return t.ms, t.n end
  ms, n = parse_id(first[1])
  return ms, n - 1
end
