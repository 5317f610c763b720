--[[ queue/take: leases the next items to a consumer, or keeps a place in line for it; the same token gets the same items.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  KEYS[9]  producers that wait for room
  ARGV[1]  token of the request; the receipts are TOKEN, TOKEN.2, TOKEN.3, ...
  ARGV[2]  lease, ms
  ARGV[3]  how many at most, up to 250
  ARGV[4]  flags: w wait in line; s steal from other lanes; e wait only while something is left that may become ready; b they will end together
  ARGV[5]  lane of its own, or ''
  ARGV[6]  attempts after which an item is given to nobody but goes to the dead, or 0
  ARGV[7]  ticket of an earlier reply to this token, or 0
  ARGV[8]  mailbox of the request
  ARGV[9]  who asks, opaque
  ARGV[10..]  receipts of deliveries that are done, 250 at most: acknowledged before anything else
  Returns  {taken, lease left ms, how many, done before, n times (receipt, id, attempt, bytes), unsent...}  in flight now
  Returns  {bundle, lease left ms, how many, done before, entries, unsent...}  in flight now under one receipt, & and the token; an entry is id, attempts before, bytes: <dI2 and the rest
  Returns  {wait, look again in ms, place, in line, ticket, done before, unsent...}  in line
  Returns  {empty, ready for others, delayed, in flight, done before, unsent...}  nothing for this consumer
  Returns  {gone}  this token was acknowledged, given back or left before, or its lease ended; with some of its items in flight still, if the first is done
  Writes  yes
  Retry  safe: the token finds its items or its place again, and receipts that are done stay so
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters, room = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5],
  KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local token, lease, most, flags, lane = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local attempts = tonumber(ARGV[6])
if not (lease and most and attempts and tonumber(ARGV[7])) or most < 1 or most > MOST_MOVED or #ARGV > 9 + MOST_MOVED then
  return redis.error_reply('MISUSE queue/take: a number is not one')
end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', queue, 's', 't', 'x')
local raw, ring = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this queue has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_ring
-- @include lib/queue_state
local s = load_state(raw)
-- @include lib/queue_done
-- @include lib/queue_flight
if ring_has(ring, token) or ring_has(found[3], token) then return {'gone'} end
local together = most > 1 and string.find(flags, 'b', 1, true)
local bundle = '&' .. token
local mine, bundled = unpack(redis.call('HMGET', bodies, token, bundle))
-- A request that is run late, when the first of its items is done and others are not: their receipts are taken.
if not mine and most > 1 and s[FLIGHT] > 0 and any_in_flight(token, most) then return {'gone'} end
local done, before = 0, unsettled(s)
if #ARGV > 9 then
  done = finish_deliveries({unpack(ARGV, 10)})
  -- Nor may a late copy of the take that gave them use their receipts again.
  local over, half = found[3] or '', ''
  for i = 10, #ARGV do
    if half_of(ARGV[i]) ~= half then
      half = half_of(ARGV[i])
      over = over .. half
    end
  end
  redis.call('HSET', queue, 'x', string.sub(over, -64 * 16))
end

-- The common case: nobody waits, nothing is due, and there are only items like all others.
if not mine and not bundled and s[WAITERS] == 0 and s[PUSHERS] == 0 and s[LANED] == 0 and (s[DUE] == 0 or s[DUE] > now) and
  (attempts == 0 or s[RETURNED] == 0) and s[READY] > 0 then
  local entries = pop_entries(most, MOST_BYTES)
  if #entries > 1 and together then
    put_bundle(token, entries, lease)
    save_state(s)
    return {'bundle', lease, #entries, done, entries}
  elseif #entries > 0 then
    local receipts, packed = receipts_of(token, #entries), {}
    local prefix, reply = struct.pack(PREFIX, 0, now, #entries, NORMAL, 0, ''), {'taken', lease, #entries, done}
    for i, entry in ipairs(entries) do
      local id, before_it, at = struct.unpack(ENTRY, entry)
      packed[i] = prefix .. entry
      reply[4 * i + 1], reply[4 * i + 2] = receipts[i], string.format('%.0f', id)
      reply[4 * i + 3], reply[4 * i + 4] = before_it + 1, string.sub(entry, at)
    end
    put_in_flight(receipts, packed, lease)
    save_state(s)
    return reply
  end
end

-- As common: a single item that was offered is claimed, and nobody else waits.
if mine and s[WAITERS] == 0 then
  local _, _, group, priority, own, id, tried, at = struct.unpack(BODY, mine)
  local until_ms = group == 1 and tonumber(redis.call('ZSCORE', timers, token) or 0) or 0
  if until_ms > now then
    local payload = string.sub(mine, at)
    redis.call('HSET', bodies, token, struct.pack(PREFIX, 0, now, 1, priority, #own, own) .. struct.pack(ENTRY, id, tried) .. payload)
    redis.call('ZADD', timers, math.max(until_ms, now + lease), token)
    save_state(s)
    return {'taken', math.max(until_ms - now, lease), 1, done, token, string.format('%.0f', id), tried + 1, payload}
  end
end

-- @include lib/queue_flow
-- @include lib/queue_line
-- @include lib/queue_room
local long = length(s)
local joined = s[WAITERS] > 0 and redis.call('ZSCORE', line, token)

local function taken(items, receipts, left)
  local reply = {'taken', left, #items, done}
  for i, item in ipairs(items) do
    reply[#reply + 1] = receipts[i]
    reply[#reply + 1] = id_text(item)
    reply[#reply + 1] = item.attempts + 1
    reply[#reply + 1] = item.payload
  end
  return reply
end

local function finish(reply)
  if s[WAITERS] > 0 then
    serve(nil)
    tell_first(token)
    tell_drained(before)
  end
  tell_room(long)
  save_state(s)
  -- A queue that nothing was ever pushed to is no more than its consumers.
  if s[PUSHED] == 0 then redis.call('PEXPIRE', queue, DAY) end
  return send(reply)
end

-- Its own: an offer that is claimed now, or a request that was sent again. Both get the whole lease.
if mine then
  local items, receipts = delivered(token)
  local until_ms = tonumber(redis.call('ZSCORE', timers, token) or 0)
  if until_ms > now then
    local fields, scores = {}, {}
    for i, item in ipairs(items) do
      fields[2 * i - 1], fields[2 * i] = receipts[i], pack_body(item, 0, items[1].group)
      scores[2 * i - 1], scores[2 * i] = math.max(until_ms, now + lease), receipts[i]
    end
    redis.call('HSET', bodies, unpack(fields))
    redis.call('ZADD', timers, unpack(scores))
    return finish(taken(items, receipts, math.max(until_ms - now, lease)))
  end
end

if bundled then
  local until_ms = tonumber(redis.call('ZSCORE', timers, bundle) or 0)
  if until_ms > now then
    local entries = entries_of(bundle)
    redis.call('ZADD', timers, math.max(until_ms, now + lease), bundle)
    return finish({'bundle', math.max(until_ms - now, lease), #entries, done, entries})
  end
end

move_due()
if ring_has(ended, token) then return finish({'gone'}) end
-- Its own, over, but behind more than one call moves: nothing else may stand under its receipts.
if s[DUE] > 0 and s[DUE] <= now and (bundled or mine) then
  local items, receipts = in_flight(bundled and {bundle} or receipts_of(token, most))
  if #items > 0 and items[1].flags ~= OFFERED then return finish({'gone'}) end
  land(items, receipts)
  put_ready(items, true)
end
local wants_wait = string.find(flags, 'w', 1, true)
local steals = string.find(flags, 's', 1, true) ~= nil
local ends = string.find(flags, 'e', 1, true) ~= nil
-- In line it gets them in its turn; else those in line come first.
local items = serve(token)
if not items and s[READY] + s[LANED] > 0 and not joined then items = pick(lane, steals, most, attempts) end
if items and #items > 0 then
  local receipts = deliver(token, items, lease, 0)
  return finish(taken(items, receipts, lease))
end
local left_over = s[READY] > 0 or (s[DUE] > 0 and s[DUE] <= now)
if (not wants_wait and not left_over) or (ends and unsettled(s) == 0) then
  if not raw then return {'empty', 0, 0, 0, done} end
  if joined then leave_line({token}) end
  return finish({'empty', s[LANED], s[DELAYED], s[FLIGHT], done})
end

local ticket = joined
if not joined then
  ticket = tonumber(ARGV[7])
  if ticket <= 0 then
    s[LAST_TICKET] = math.max(s[LAST_TICKET] + 1, now_us)
    ticket = s[LAST_TICKET]
  end
  redis.call('ZADD', line, string.format('%.0f', ticket), token)
  redis.call('PEXPIRE', line, DAY)
  s[WAITERS] = s[WAITERS] + 1
  if ends then s[ENDERS] = s[ENDERS] + 1 end
end
local place = redis.call('ZRANK', line, token) or 0
-- The first look often, so that one of them that died is not missed for long; all others at moments of their own.
local look = place < OFTEN and HEARTBEAT or IDLE + now_us % IDLE
if left_over then
  look = 0
elseif place == 0 then
  if s[DUE] > 0 then look = math.min(look, math.max(0, s[DUE] - now) + 1) end
  s[TOLD] = s[DUE] > 0 and math.min(now + look, s[DUE]) or now + look
end
redis.call('HSET', waiters, token, struct.pack(WAITER, now + look + LIVENESS, most, attempts, (steals and 1 or 0) + (ends and 2 or 0),
  #lane, lane, #ARGV[8], ARGV[8], #ARGV[9], ARGV[9]))
if not joined then redis.call('PEXPIRE', waiters, DAY) end
return finish({'wait', look, place, s[WAITERS], string.format('%.0f', ticket), done})
