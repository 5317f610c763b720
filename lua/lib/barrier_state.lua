-- A barrier's state as a table: read, written, and what all operations do to it. Uses: barrier, parties, waking, settled
-- (its keys), now (ms).
local st = {}
local set, unset = {}, {}
local closed, freed, grown = {}, nil, false
-- @include lib/mail

local function load_state(raw)
  if raw then
    st.version, st.generation, st.expires, st.closed_at, st.parties, st.next_index, st.free, st.staying, st.complete,
      st.waking, st.outcome, st.tripped, st.broken, st.dropped = struct.unpack(STATE, raw)
  else
    st.generation, st.expires, st.closed_at, st.parties, st.next_index, st.free, st.staying, st.complete, st.waking,
      st.outcome, st.tripped, st.broken, st.dropped = 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
  end
end

local function put(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
end

-- Writes what changed. Fields are removed first: when memory is out, a script whose first write frees is let through.
local function save_state()
  for number, c in pairs(closed) do
    if c.left <= 0 then
      unset[#unset + 1] = 'g' .. number
    else
      put('g' .. number, struct.pack(CLOSED, c.outcome, c.parties, c.at, c.left, #c.leader, c.leader, #c.why, c.why, #c.who,
        c.who))
    end
  end
  for i = 1, #unset, 5000 do redis.call('HDEL', barrier, unpack(unset, i, math.min(i + 4999, #unset))) end
  local life = DAY * (st.staying > 0 and 30 or 1)
  local raise = now + life > st.expires
  if raise then st.expires = now + life + HOUR end
  put('s', struct.pack(STATE, LAYOUT, st.generation, st.expires, st.closed_at, st.parties, st.next_index, st.free,
    st.staying, st.complete, st.waking, st.outcome, st.tripped, st.broken, st.dropped))
  if freed then put('f', freed) end
  for i = 1, #set, 5000 do redis.call('HSET', barrier, unpack(set, i, math.min(i + 4999, #set))) end
  if raise then redis.call('PEXPIREAT', barrier, st.expires) end
  if raise or grown then
    for _, key in ipairs({parties, waking, settled}) do redis.call('PEXPIREAT', key, st.expires) end
  end
end

local function has(flags, bit)
  return math.floor(flags / bit) % 2 == 1
end

local function read_party(raw)
  local p = {}
  p.flags, p.generation, p.since, p.index, p.token, p.mailbox, p.who = struct.unpack(PARTY, raw)
  return p
end

local function write_party(field, p)
  put(field, struct.pack(PARTY, p.flags, p.generation, p.since, p.index, #p.token, p.token, #p.mailbox, p.mailbox, #p.who,
    p.who))
end

-- How generation `number` ended, or nil. What is changed in it is written by save_state.
local function read_closed(number)
  if closed[number] then return closed[number] end
  local raw = redis.call('HGET', barrier, 'g' .. number)
  if not raw then return nil end
  local c = {}
  c.outcome, c.parties, c.at, c.left, c.leader, c.why, c.who = struct.unpack(CLOSED, raw)
  closed[number] = c
  return c
end

-- How many arrivals count now: of those that stay, and of those whose party waits and lives.
local function count_arrived()
  return redis.call('ZCOUNT', parties, '(' .. now, '+inf')
end

-- An arrival's index is the lowest that was never given in this generation, or one that somebody who left gave back.
local function take_index()
  if st.free == 0 then
    st.next_index = st.next_index + 1
    return st.next_index - 1
  end
  freed = freed or redis.call('HGET', barrier, 'f')
  local index = struct.unpack('<I2', freed, 2 * st.free - 1)
  st.free = st.free - 1
  freed = string.sub(freed, 1, 2 * st.free)
  return index
end

local function give_back(index)
  freed = freed or (st.free > 0 and redis.call('HGET', barrier, 'f') or '')
  freed = freed .. struct.pack('<I2', index)
  st.free = st.free + 1
end

-- Takes a party out of the open generation.
local function take_out(field, p)
  unset[#unset + 1] = field
  if has(p.flags, WATCHES) then return end
  give_back(p.index)
  if has(p.flags, STAYS) then st.staying = st.staying - 1 end
end

-- Drops those who stopped looking, 100 at most; true if there may be more.
local function purge()
  local dead = redis.call('ZRANGEBYSCORE', parties, -now, now, 'LIMIT', 0, 100)
  if #dead == 0 then return false end
  for i, raw in ipairs(redis.call('HMGET', barrier, unpack(dead))) do
    if raw then
      local p = read_party(raw)
      take_out(dead[i], p)
      if not has(p.flags, WATCHES) then st.dropped = st.dropped + 1 end
    end
  end
  redis.call('ZREM', parties, unpack(dead))
  return #dead == 100
end

-- Nobody is left: the next one sets the number of parties anew.
local function start_over_if_empty()
  if redis.call('EXISTS', parties) == 1 then return end
  st.parties, st.next_index, st.free, st.staying = 0, 0, 0, 0
  freed = nil
end

-- So many records of a closed generation are gone; with the last one goes what is known of it.
local function forget_some(number, count)
  local c = read_closed(number)
  if c then c.left = c.left - count end
end

-- Calls up to 200 of those that a closed generation let go. What they were is kept until they were told, or a day.
local function wake_some()
  if st.waking == 0 then return end
  local fields = redis.call('ZRANGE', waking, 0, 199)
  if #fields > 0 then
    local add = {}
    for i, raw in ipairs(redis.call('HMGET', barrier, unpack(fields))) do
      local p = raw and read_party(raw)
      if p then
        if p.mailbox ~= '' then mail(p.mailbox, 'look 0') end
        add[#add + 1] = now + (p.mailbox ~= '' and DAY or MINUTE)
        add[#add + 1] = fields[i]
      end
    end
    if #add > 0 then redis.call('ZADD', settled, unpack(add)) end
    redis.call('ZREM', waking, unpack(fields))
    grown = true
  end
  if #fields < 200 then st.waking = 0 end
end

-- Drops up to 100 records of closed generations that nobody will ask for any more.
local function prune()
  local due = redis.call('ZRANGEBYSCORE', settled, '-inf', now, 'LIMIT', 0, 100)
  -- A barrier that goes round fast keeps the latest only.
  if #due == 0 and redis.call('ZCARD', settled) > 4 * st.parties + 1000 then due = redis.call('ZRANGE', settled, 0, 99) end
  if #due == 0 then return end
  local gone = {}
  for i, raw in ipairs(redis.call('HMGET', barrier, unpack(due))) do
    if raw then
      local p = read_party(raw)
      gone[p.generation] = (gone[p.generation] or 0) + 1
      unset[#unset + 1] = due[i]
    end
  end
  redis.call('ZREM', settled, unpack(due))
  for number, count in pairs(gone) do forget_some(number, count) end
end

-- Ends the open generation and begins the next. `extra` records are written to the ended one besides those in line.
local function close(outcome, why, who, extra)
  local count = redis.call('ZCARD', parties)
  closed[st.generation] = {outcome = outcome, parties = st.parties, at = now, left = count + extra, leader = '', why = why,
    who = who}
  if count > 0 then
    if redis.call('EXISTS', waking) == 0 then
      redis.call('RENAME', parties, waking)
    else
      redis.call('ZUNIONSTORE', waking, 2, waking, parties)
      redis.call('DEL', parties)
      grown = true
    end
    st.waking = 1
  end
  if outcome == TRIPPED then st.tripped = st.tripped + 1 else st.broken = st.broken + 1 end
  st.outcome, st.closed_at = outcome, now
  st.generation, st.next_index, st.free, st.staying, st.complete = st.generation + 1, 0, 0, 0, 0
  freed = nil
end
