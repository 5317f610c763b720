--[[ queue/peek: a look at items that are ready or dead, without taking them.
  KEYS[1]  ready
  KEYS[2]  lanes
  KEYS[3]  bodies
  KEYS[4]  dead
  KEYS[5]  timers
  ARGV[1]  which: ready, lanes, due or dead
  ARGV[2]  from which on, counted from 0
  ARGV[3]  how many at most, up to 500
  Returns  {items, server ms, n times (id, attempts, priority, lane, since ms, why, bytes)}  of the ready those in the list (ready) or with lanes and other priorities (lanes), in their order; of the dead why, and since when; due are the 200 that the next call makes ready, why is `returned` for those that it puts in front; fewer when they are large
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/queue_layout
local ready, lanes, bodies, dead, timers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
-- @include lib/queue_bundle
local which, from, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not (from and most) or most > 500 then return redis.error_reply('MISUSE queue/peek: a number is not one') end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1e6 + time[2]) / 1000)
local reply, bytes = {'items', now}, 0
local function add(...)
  for _, value in ipairs({...}) do
    reply[#reply + 1] = value
    bytes = bytes + (type(value) == 'string' and #value or 0)
  end
end
local function add_body(id, raw, why)
  if not raw then return end
  local _, since, _, priority, lane, _, attempts, at = struct.unpack(BODY, raw)
  add(id, attempts, priority, lane, since, why or '', string.sub(raw, at))
end
if which == 'due' then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', from, math.min(most, 200))) do
    local raw = bytes < 1048576 and #reply < 7 * most and redis.call('HGET', bodies, member)
    if raw and is_bundle(member) then
      for _, entry in ipairs(entries_of(member)) do
        local id, attempts, start = struct.unpack(ENTRY, entry)
        add(string.format('%.0f', id), attempts + 1, NORMAL, '', (struct.unpack(BUNDLE, raw)), 'returned', string.sub(entry, start))
      end
    elseif raw then
      local flags, since, _, priority, lane, id, attempts, at = struct.unpack(BODY, raw)
      local delayed = string.byte(member) == 43  -- +
      -- An offer that nobody claimed was no attempt.
      if not delayed and flags ~= OFFERED then attempts = attempts + 1 end
      add(string.format('%.0f', id), attempts, priority, lane, since, delayed and '' or 'returned', string.sub(raw, at))
    end
  end
  return reply
end
local at = from
while at < from + most and bytes < 1048576 do
  -- One at a time at first: they may be large.
  local last = math.min(from + most, at + (at == from and 1 or 20)) - 1
  if which == 'ready' then
    local entries = redis.call('LRANGE', ready, at, last)
    for _, raw in ipairs(entries) do
      local id, attempts, start = struct.unpack(ENTRY, raw)
      add(string.format('%.0f', id), attempts, NORMAL, '', math.floor(id / 1000), '', string.sub(raw, start))
    end
    if #entries == 0 then break end
  else
    local members = redis.call('ZRANGE', which == 'dead' and dead or lanes, at, last)
    if #members == 0 then break end
    for _, member in ipairs(members) do
      if which == 'dead' then
        add_body(member, unpack(redis.call('HMGET', bodies, '!' .. member, '?' .. member)))
      else
        local id = string.format('%.0f', tonumber(string.sub(member, -16)))
        add_body(id, redis.call('HGET', bodies, '=' .. id))
      end
    end
  end
  at = last + 1
end
return reply
