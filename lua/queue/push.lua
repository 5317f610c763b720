--[[ queue/push: adds items in their order, each position of a producer once, and hands them to those who wait.
  KEYS[1]  queue
  KEYS[2]  ready
  KEYS[3]  lanes
  KEYS[4]  bodies
  KEYS[5]  timers
  KEYS[6]  dead
  KEYS[7]  line
  KEYS[8]  waiters
  KEYS[9]  producers
  KEYS[10] producers of the time before
  KEYS[11] ids to know duplicates by
  KEYS[12] index of the bucket's queues
  KEYS[13] producers that wait for room
  ARGV[1]  producer, a token
  ARGV[2]  position: how many items of this producer stand before these
  ARGV[3]  flags: f whatever stood before is known to be done, so that a gap is none
  ARGV[4]  delay, ms
  ARGV[5]  priority, 9 (first) to 0
  ARGV[6]  lane: the worker that it is for, or ''
  ARGV[7]  most that may be ready and delayed then, or 0; of more, only the first are taken
  ARGV[8]  id to know a duplicate by, for a single item, or ''
  ARGV[9]  for how long, ms
  ARGV[10] name of the queue, for the index
  ARGV[11] mailbox to be called when there is room again, or ''
  ARGV[12..] the items, 2000 at most; 250 with a delay, a lane or a priority
  Returns  {pushed, first id, how many, position behind, length, unsent...}  the ids follow each other
  Returns  {again, first id, how many, position behind}  all were pushed before; 0, 0 if it is not known under which ids
  Returns  {duplicate}  an item with that id was pushed before
  Returns  {full, length}  no room for a single one
  Returns  {gap, position}  what stands before these was not pushed: nothing was done
  Writes  yes
  Retry  safe: the position tells what was done
]]
-- @include lib/queue_layout
local queue, ready, lanes, bodies, timers, dead, line, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8]
local position, pause, priority, lane = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local most, window, count = tonumber(ARGV[7]), tonumber(ARGV[9]), #ARGV - 11
if not (position and pause and priority and most and window) or count < 1 or count > 2000 then
  return redis.error_reply('MISUSE queue/push: a number is not one')
end
local plain = pause == 0 and lane == '' and priority == NORMAL
if not plain and count > MOST_MOVED then return redis.error_reply('MISUSE queue/push: too many items at once') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local raw = redis.call('HGET', queue, 's')
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this queue has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_state
local s = load_state(raw)

-- What this producer pushed before: position behind it, first id and number of its last batch.
local known = redis.call('HGET', KEYS[9], ARGV[1]) or redis.call('HGET', KEYS[10], ARGV[1])
local skip = 0
if known then
  local behind, first, many = struct.unpack('<ddd', known)
  if behind >= position + count then
    if behind > position + count or many ~= count then first, many = 0, 0 end
    return {'again', string.format('%.0f', first), many, string.format('%.0f', behind)}
  end
  skip = math.max(0, behind - position)
end
if not string.find(ARGV[3], 'f', 1, true) and not (known and struct.unpack('<d', known) >= position) and position > 0 then
  return {'gap', known and string.format('%.0f', (struct.unpack('<d', known))) or 0}
end
if ARGV[8] ~= '' then
  local remembered = redis.call('ZSCORE', KEYS[11], ARGV[8])
  if remembered and tonumber(remembered) > now then return {'duplicate'} end
end
local before = length(s)
local take = count - skip
if most > 0 then
  take = math.min(take, math.max(0, most - before))
  if take == 0 then
    if ARGV[11] ~= '' then
      s[PUSHERS] = s[PUSHERS] + redis.call('ZADD', KEYS[13], 'NX', string.format('%.0f', now_us), ARGV[11])
      redis.call('PEXPIRE', KEYS[13], DAY)
      save_state(s)
    end
    return {'full', before}
  end
  if ARGV[11] ~= '' and s[PUSHERS] > 0 then s[PUSHERS] = s[PUSHERS] - redis.call('ZREM', KEYS[13], ARGV[11]) end
end

local first = math.max(s[LAST_ID] + 1, now_us)
s[LAST_ID] = first + take - 1
count_up(s, PUSHED, MINUTE_PUSHED, take)
local behind = position + skip + take
-- The first write is one that is refused when memory is out, so that nothing is.
redis.call('HSET', KEYS[9], ARGV[1], struct.pack('<ddd', behind, first, take))
if now >= s[ROTATE_AT] then
  if s[ROTATE_AT] > 0 then
    redis.call('UNLINK', KEYS[10])
    redis.call('RENAME', KEYS[9], KEYS[10])
    redis.call('PEXPIRE', KEYS[10], 20 * MINUTE)
  end
  s[ROTATE_AT] = now + 10 * MINUTE
end
if s[PUSHED] == take then
  redis.call('ZADD', KEYS[12], 'NX', now, ARGV[10])
  redis.call('PERSIST', queue)
end
local from = 11 + skip
local reply = {'pushed', string.format('%.0f', first), take, string.format('%.0f', behind), before + take}

-- The common case: nobody waits, nothing is due, and the items are like all others.
if plain and ARGV[8] == '' and s[WAITERS] == 0 then
  local entries, pack = {}, struct.pack
  for i = 1, take do entries[i] = pack(ENTRY, first + i - 1, 0) .. ARGV[from + i] end
  redis.call('RPUSH', ready, unpack(entries))
  s[READY] = s[READY] + take
  save_state(s)
  return reply
end

-- @include lib/queue_drained
-- One item and one that waits, and nothing else: it is offered the item without a detour.
if plain and ARGV[8] == '' and take == 1 and s[WAITERS] == 1 and s[ENDERS] == 0 and s[READY] + s[LANED] == 0 and
  (s[DUE] == 0 or s[DUE] > now) then
  local token = redis.call('ZRANGE', line, 0, 0)[1]
  local record = token and redis.call('HGET', waiters, token)
  local w = record and read_waiter(record)
  if w and w.deadline > now then
    redis.call('HSET', bodies, token, struct.pack(PREFIX, OFFERED, now, 1, NORMAL, 0, '') .. struct.pack(ENTRY, first, 0) .. ARGV[from + 1])
    redis.call('ZADD', timers, now + CLAIM_WINDOW, token)
    redis.call('ZREM', line, token)
    redis.call('HDEL', waiters, token)
    s[FLIGHT], s[WAITERS], s[TOLD] = s[FLIGHT] + 1, 0, 0
    if s[DUE] == 0 or s[DUE] > now + CLAIM_WINDOW then s[DUE] = now + CLAIM_WINDOW end
    mail(w.mailbox, 'claim')
    save_state(s)
    return send(reply)
  end
end

-- @include lib/queue_flow
-- @include lib/queue_line
move_due()
local items = {}
for i = 1, take do
  items[i] = {id = first + i - 1, attempts = 0, priority = priority, lane = lane, payload = ARGV[from + i]}
end
if pause > 0 then
  delay(items, now + pause)
else
  put_ready(items, false)
end
if ARGV[8] ~= '' then
  redis.call('ZADD', KEYS[11], now + window, ARGV[8])
  local over = redis.call('ZRANGEBYSCORE', KEYS[11], '-inf', now, 'LIMIT', 0, 100)
  if #over > 0 then redis.call('ZREM', KEYS[11], unpack(over)) end
end
serve(nil)
tell_first(nil)
save_state(s)
return send(reply)
