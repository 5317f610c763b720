-- How items move: ready, delayed, in flight, dead. Uses what lib/queue_state defines, s, now, and the keys queue,
-- ready, lanes, bodies, timers, dead.
-- @include lib/queue_flight

local function read_body(raw)
  local item, at = {}, nil
  item.flags, item.since, item.group, item.priority, item.lane, item.id, item.attempts, at = struct.unpack(BODY, raw)
  item.payload = string.sub(raw, at)
  return item
end

local function read_entry(raw)
  local id, attempts, at = struct.unpack(ENTRY, raw)
  return {id = id, attempts = attempts, payload = string.sub(raw, at), priority = NORMAL, lane = ''}
end

local function pack_entry(item) return struct.pack(ENTRY, item.id, item.attempts) .. item.payload end

local function pack_body(item, flags, group)
  return struct.pack(PREFIX, flags, now, group, item.priority, #item.lane, item.lane) .. pack_entry(item)
end

local function id_text(item) return string.format('%.0f', item.id) end

-- Makes up to 2000 items ready: in front, in the order given, or behind all others. Those with a lane or another
-- priority stand in the order of their ids.
local function put_ready(items, in_front)
  if #items == 0 then return end
  local entries, fields, members = {}, {}, {}
  for _, item in ipairs(items) do
    if item.lane == '' and item.priority == NORMAL then
      entries[#entries + 1] = pack_entry(item)
    else
      fields[#fields + 1] = '=' .. id_text(item)
      fields[#fields + 1] = pack_body(item, 0, 0)
      members[#members + 1] = 0
      members[#members + 1] = item.lane .. NUL .. (9 - item.priority) .. string.format('%016.0f', item.id)
    end
  end
  if #fields > 0 then
    redis.call('HSET', bodies, unpack(fields))
    redis.call('ZADD', lanes, unpack(members))
    s[LANED] = s[LANED] + #members / 2
  end
  if #entries > 0 then
    -- LPUSH puts the last one first.
    for i = 1, in_front and math.floor(#entries / 2) or 0 do
      entries[i], entries[#entries + 1 - i] = entries[#entries + 1 - i], entries[i]
    end
    redis.call(in_front and 'LPUSH' or 'RPUSH', ready, unpack(entries))
    s[READY] = s[READY] + #entries
  end
end

local function delay(items, until_ms)
  local fields, scores = {}, {}
  for i, item in ipairs(items) do
    local field = '+' .. id_text(item)
    fields[2 * i - 1], fields[2 * i] = field, pack_body(item, 0, 0)
    scores[2 * i - 1], scores[2 * i] = until_ms, field
  end
  redis.call('HSET', bodies, unpack(fields))
  redis.call('ZADD', timers, unpack(scores))
  s[DELAYED] = s[DELAYED] + #items
  lower_due(until_ms)
end

local function bury(items, reason)
  if #items == 0 then return end
  local fields, scores = {}, {}
  for i, item in ipairs(items) do
    local id = id_text(item)
    fields[4 * i - 3], fields[4 * i - 2], fields[4 * i - 1], fields[4 * i] = '!' .. id, pack_body(item, 0, 0), '?' .. id,
      reason
    scores[2 * i - 1], scores[2 * i] = now, id
  end
  redis.call('HSET', bodies, unpack(fields))
  redis.call('ZADD', dead, unpack(scores))
  s[DEAD], s[BURIED] = s[DEAD] + #items, s[BURIED] + #items
end

-- Puts items in flight under the receipts of a token, which are returned.
local function deliver(token, items, lease, flags)
  local packed, receipts = {}, receipts_of(token, #items)
  for i, item in ipairs(items) do packed[i] = pack_body(item, flags, #items) end
  put_in_flight(receipts, packed, lease)
  return receipts
end

-- The items of one in flight, added to a list.
local function unpack_flight(items, receipt, raw)
  if not is_bundle(receipt) then
    items[#items + 1] = read_body(raw)
    return
  end
  for _, entry in ipairs(entries_of(receipt)) do
    local item = read_entry(entry)
    item.flags = 0
    items[#items + 1] = item
  end
end

-- Of these receipts, those that are in flight still: their items, and they themselves.
local function in_flight(receipts)
  local items, live = {}, {}
  for i, raw in ipairs(redis.call('HMGET', bodies, unpack(receipts))) do
    if raw then
      unpack_flight(items, receipts[i], raw)
      live[#live + 1] = receipts[i]
    end
  end
  return items, live
end

-- The same of all that were taken with a token; nothing if its first is gone.
local function delivered(token)
  local first = redis.call('HGET', bodies, token)
  if not first then return in_flight({'&' .. token}) end
  return in_flight(receipts_of(token, read_body(first).group))
end

-- Takes members of the timers away, with their bodies.
local function remove_timed(members)
  local entries = {}
  for _, member in ipairs(members) do
    if is_bundle(member) then entries[#entries + 1] = entries_field(member) end
  end
  redis.call('HDEL', bodies, unpack(members))
  if #entries > 0 then redis.call('HDEL', bodies, unpack(entries)) end
  redis.call('ZREM', timers, unpack(members))
end

-- Takes deliveries of these items out of flight; how they end is the caller's affair.
local function land(items, receipts)
  if #receipts == 0 then return end
  remove_timed(receipts)
  s[FLIGHT] = s[FLIGHT] - #items
end

-- Whether an offer was not claimed; halves of the tokens of which a lease has ended now.
local lapsed, ended = false, ''
-- A lease that ended: its items, and how they were given.
local function note_ended(receipt, items)
  if items[1].flags == OFFERED then
    lapsed = true
    return
  end
  for _, item in ipairs(items) do item.attempts = item.attempts + 1 end
  s[RETURNED] = s[RETURNED] + #items
  local half = half_of(receipt)
  if string.sub(ended, -16) ~= half then ended = ended .. half end
end

-- Moves up to 200 whose time has come, of bundles up to 250 items: delayed ones become ready, leases that ended give
-- their items back.
local function move_due()
  if s[DUE] == 0 or s[DUE] > now then return end
  local members = redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, 200)
  local moved = 0
  for i, member in ipairs(members) do
    moved = moved + (is_bundle(member) and bundle_size(member) or 1)
    if moved > MOST_MOVED and i > 1 then
      members = {unpack(members, 1, i - 1)}
      break
    end
  end
  if #members > 0 then
    local due, returned = {}, {}
    for i, raw in ipairs(redis.call('HMGET', bodies, unpack(members))) do
      local member, items = members[i], {}
      local delayed = string.byte(member) == 43  -- +
      if raw then unpack_flight(items, member, raw) end
      local at = delayed and DELAYED or FLIGHT
      s[at] = s[at] - math.max(1, #items)
      if #items > 0 and not delayed then note_ended(member, items) end
      local list = delayed and due or returned
      for _, item in ipairs(items) do list[#list + 1] = item end
    end
    remove_timed(members)
    table.sort(returned, function(a, b) return a.id < b.id end)
    put_ready(returned, true)
    put_ready(due, false)
    -- A take that the server runs late would give other items under receipts that somebody believes in.
    if ended ~= '' then
      redis.call('HSET', queue, 'x', string.sub((redis.call('HGET', queue, 'x') or '') .. ended, -64 * 16))
    end
  end
  local first = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
  s[DUE] = first[2] and tonumber(first[2]) or 0
end

-- So many go to the dead on the way to a consumer.
local MOST_BURIED = 100

-- Adds to got.items; one that was tried too often goes to the dead instead.
local function accept(got, item, attempts)
  if attempts > 0 and item.attempts >= attempts then
    bury({item}, '')
    got.buried = got.buried + 1
  else
    got.items[#got.items + 1] = item
    got.bytes = got.bytes + #item.payload
  end
end

local function from_list(got, most, attempts)
  while s[READY] > 0 and #got.items < most and got.bytes < MOST_BYTES and got.buried < MOST_BURIED do
    for _, raw in ipairs(pop_entries(most - #got.items, MOST_BYTES - got.bytes)) do
      accept(got, read_entry(raw), attempts)
    end
  end
end

-- Of a lane, the priorities whose digits (9 less the priority) are from `first` to `last`.
local function from_lane(got, lane, first, last, most, attempts)
  while s[LANED] > 0 and #got.items < most and got.bytes < MOST_BYTES and got.buried < MOST_BURIED do
    local members = redis.call('ZRANGEBYLEX', lanes, '[' .. lane .. NUL .. first, '[' .. lane .. NUL .. last .. ':',
      'LIMIT', 0, math.min(most - #got.items, got.bytes == 0 and 4 or 50))
    if #members == 0 then return end
    local fields = {}
    for i, member in ipairs(members) do fields[i] = '=' .. string.format('%.0f', tonumber(string.sub(member, -16))) end
    local raws = redis.call('HMGET', bodies, unpack(fields))
    redis.call('ZREM', lanes, unpack(members))
    redis.call('HDEL', bodies, unpack(fields))
    s[LANED] = s[LANED] - #members
    for _, raw in ipairs(raws) do
      if raw then accept(got, read_body(raw), attempts) end
    end
  end
end

-- Every lane but the shared one, up to 100: calls visit(lane, how many are ready in it).
local function each_lane(visit)
  local after = NUL .. ':'
  for _ = 1, 100 do
    local member = redis.call('ZRANGEBYLEX', lanes, '(' .. after, '+', 'LIMIT', 0, 1)[1]
    if not member then return end
    local lane = string.sub(member, 1, -19)
    visit(lane, redis.call('ZLEXCOUNT', lanes, '[' .. lane .. NUL, '[' .. lane .. NUL .. ':'))
    after = lane .. NUL .. ':'
  end
end

-- What has a lane or a priority costs several times as much to take.
local MOST_LANED = 100
-- Takes ready items for a consumer: of its own lane, then the shared one, then (who steals) of the longest other.
local function pick(lane, steals, most, attempts)
  local got = {items = {}, bytes = 0, buried = 0}
  if s[LANED] > 0 then
    most = math.min(most, MOST_LANED)
    if lane ~= '' then from_lane(got, lane, 0, 9, most, attempts) end
    from_lane(got, '', 0, 9 - NORMAL - 1, most, attempts)
  end
  from_list(got, most, attempts)
  if s[LANED] > 0 then from_lane(got, '', 9 - NORMAL + 1, 9, most, attempts) end
  if steals and s[LANED] > 0 and #got.items == 0 then
    local longest, length = nil, 0
    each_lane(function(other, count)
      if count > length then longest, length = other, count end
    end)
    if longest then from_lane(got, longest, 0, 9, most, attempts) end
  end
  return got.items
end
