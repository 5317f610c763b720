--[[ event/take: leases the next events of a topic to a member of a group, each to one; the same token gets the same events.
  KEYS[1]  events
  KEYS[2]  topic
  KEYS[3]  group
  KEYS[4]  timers of the group
  ARGV[1]  token of the request; the receipts are TOKEN, TOKEN.2, TOKEN.3, ...
  ARGV[2]  lease, ms
  ARGV[3]  how many at most, up to 500; 0 takes none
  ARGV[4]  flags: c what this member has in flight is taken from it: it was started again
  ARGV[5]  where a group that is not there yet begins: start, now, back N, at N (ms), or an id
  ARGV[6]  attempts after which an event is given up, or 0
  ARGV[7]  the member, for people
  ARGV[8]  name of the group
  ARGV[9..]  receipts of what is handled, 500 at most: ended before anything else
  Returns  {taken, lease left ms, how many, missed, given up, anew, n times (receipt, id, attempt, who, bytes)}  missed: trimmed before anybody had them; anew 1: the topic began anew
  Returns  {ready, missed, given up, anew}  with 0: there is something to take
  Returns  {empty, look again in ms, missed, given up, anew, ms, number}  and the last event that it was given
  Writes  yes
  Retry  safe: the token finds its events again, and what is handled stays so
]]
-- @include lib/event_layout
local events, topic, group, timers, token = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]
local lease, most, attempts, member = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6]), ARGV[7]
if not (lease and most and attempts) or most > 500 or #ARGV > 508 then
  return redis.error_reply('MISUSE event/take: not what the header says')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local raw_topic, raw = redis.call('HGET', topic, 't'), redis.call('HGET', group, 's')
if raw_topic and string.byte(raw_topic) ~= LAYOUT or raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this topic has layout ' .. string.byte(raw or raw_topic) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/event_topic
-- @include lib/event_range
-- @include lib/event_group
local t = read_topic(raw_topic)
local s = read_group(raw)
if not raw then
  s.ms, s.n = begin_at(t, ARGV[5])
  if not s.ms then return redis.error_reply('MISUSE event/take: ' .. ARGV[5]) end
  redis.call('HSET', topic, 'g' .. ARGV[8], now)
end
local handled = 0
for i = 9, #ARGV do
  if redis.call('HDEL', group, ARGV[i]) == 1 then
    redis.call('ZREM', timers, ARGV[i])
    handled = handled + 1
  end
end
s.done = s.done + handled

-- The event itself, nil when it was trimmed.
local function entry_at(item)
  local id = id_of(item.ms, item.n)
  return redis.call('XRANGE', events, id, id)[1]
end

local function receipt_of(i) return i == 1 and token or token .. '.' .. i end

-- A request that was sent again.
local own = {}
for i = 1, most do
  local body = redis.call('HGET', group, receipt_of(i))
  if not body then break end
  own[i] = read_body(body)
  own[i].entry = entry_at(own[i])
  if i == own[1].many then break end
end
local missed, given_up, anew, items = 0, 0, 0, own
if #own > 0 then
  missed = own[1].missed
else
  if string.find(ARGV[4], 'c', 1, true) then
    local all = redis.call('HGETALL', group)
    for i = 1, #all, 2 do
      local receipt = all[i] ~= 's' and all[i] ~= 't'
      if receipt and read_body(all[i + 1]).who == member then redis.call('ZADD', timers, 'XX', now, all[i]) end
    end
  end
  -- What is due again comes first: of the dead, and what failed.
  while #items < most or most == 0 do
    local due = redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, 1)[1]
    if not due then break end
    local item = read_body(redis.call('HGET', group, due))
    if string.sub(due, 1, 1) ~= '+' then item.attempts = item.attempts + 1 end
    item.entry = entry_at(item)
    if attempts > 0 and item.attempts >= attempts then
      given_up, s.given_up = given_up + 1, s.given_up + 1
    elseif not item.entry then
      missed = missed + 1
    elseif most == 0 then
      s.missed = s.missed + missed
      save_group(s)
      return {'ready', missed, given_up, anew}
    else
      items[#items + 1] = item
    end
    redis.call('HDEL', group, due)
    redis.call('ZREM', timers, due)
  end
  -- Then what nobody had yet.
  if t.ms < s.ms or (t.ms == s.ms and t.n < s.n) then s.ms, s.n, anew = t.ms, t.n, 1 end
  local fresh = range(s.ms, s.n, most == 0 and 1 or most - #items)
  for _, entry in ipairs(fresh) do
    if most == 0 then
      s.missed = s.missed + missed
      save_group(s)
      return {'ready', missed, given_up, anew}
    end
    local ms, n = parse_id(entry[1])
    if n <= s.n then anew = 1 else missed = missed + n - s.n - 1 end
    s.ms, s.n, s.taken = ms, n, s.taken + 1
    items[#items + 1] = {ms = ms, n = n, attempts = 0, entry = entry}
  end
  for i, item in ipairs(items) do
    redis.call('HSET', group, receipt_of(i), pack_body(item, #items, i == 1 and missed or 0, member))
    redis.call('ZADD', timers, now + lease, receipt_of(i))
  end
  s.missed = s.missed + missed
  if #items > 0 or missed + given_up + anew + handled > 0 or not raw then save_group(s) end
end
if #items == 0 then
  local first = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')[2]
  local look = first and math.max(0, tonumber(first) - now) + 1 or 10000
  return {'empty', math.min(look, 10000), missed, given_up, anew, s.ms, s.n}
end
local ends = tonumber(redis.call('ZSCORE', timers, token) or now)
local reply = {'taken', math.max(0, ends - now), #items, missed, given_up, anew}
for i, item in ipairs(items) do
  reply[#reply + 1] = receipt_of(i)
  reply[#reply + 1] = id_of(item.ms, item.n)
  reply[#reply + 1] = item.attempts + 1
  reply[#reply + 1] = item.entry and item.entry[2][2] or false
  reply[#reply + 1] = item.entry and item.entry[2][4] or false
end
return reply
