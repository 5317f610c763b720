-- Who is next: purging what has ended, handing over to the first in line. Uses what lib/lock_state defines, the
-- keys lock, line and waiters, and caller: the token of the request if it is in line or being granted, else nil.
local window_lapsed, more_dead = false, false
local entries, ended = nil, {}

-- The entries whose lease has not ended, by token; read once and kept up to date here.
local function live_entries()
  if entries then return entries end
  entries = {}
  local raw = redis.call('HGETALL', lock)
  for i = 1, #raw, 2 do
    if string.byte(raw[i]) == 104 then
      local h = read_holder(raw[i + 1])
      if h.ends > now then entries[string.sub(raw[i], 2)] = h else ended[string.sub(raw[i], 2)] = h end
    end
  end
  return entries
end

local function free_slot(slot)
  if st.limit == 0 or slot >= #slots then return end
  slots = string.sub(slots, 1, slot) .. '0' .. string.sub(slots, slot + 2)
  st.slots_changed = true
end

-- Takes an entry out of the hash and the counts.
local function remove_holder(token, h)
  unset[#unset + 1] = 'h' .. token
  if has(h.flags, OFFERED) then st.offers = st.offers - 1 else st.holders = st.holders - 1 end
  if has(h.flags, EXCLUSIVE) then st.exclusive = st.exclusive - 1 end
  if has(h.flags, NESTED) then st.nested = st.nested - 1 end
  local live = live_entries()
  live[token] = nil
  if st.limit == 0 then return end
  for _, other in pairs(live) do
    if other.slot == h.slot then return end  -- nested holds share their slot
  end
  free_slot(h.slot)
end

-- Drops entries whose lease has ended. min_end is a lower bound, so this looks only when it has passed.
local function purge()
  if st.min_end == 0 or st.min_end > now then return false end
  local dropped = false
  st.min_end = 0
  for _, h in pairs(live_entries()) do
    if st.min_end == 0 or h.ends < st.min_end then st.min_end = h.ends end
  end
  for token, h in pairs(ended) do
    dropped = true
    remove_holder(token, h)
    if has(h.flags, OFFERED) then
      window_lapsed = true
      st.lapsed_ticket = math.max(st.lapsed_ticket, h.ticket)
    elseif not has(h.flags, RESTING) then
      st.lost = st.lost + 1
      -- A copy of its request that comes late does not bring back what was taken away.
      if has(h.flags, REVOKED) then ring, st.ring_changed = bury(ring, token, now), true end
      stale_record = pack_holder(h)
      note('lost', h)
    end
  end
  return dropped
end

-- The hold with that token and those nested under it, as a set of tokens.
local function with_nested(token)
  local inner, again = {[token] = true}, st.nested > 0
  while again do
    again = false
    for id, h in pairs(live_entries()) do
      if not inner[id] and inner[h.parent] then inner[id], again = true, true end
    end
  end
  return inner
end

-- How many live entries are not of the chain of holds that starts at `parent` and goes outwards.
local function others_than(parent)
  local count, hops = st.holders + st.offers, 0
  local h = live_entries()[parent]
  while h and not has(h.flags, RESTING) and hops < 100 do
    count, hops = count - 1, hops + 1
    h = live_entries()[h.parent]
  end
  return count
end

-- How many slots are taken, those beyond the limit too: it may have been cut while they were held.
local function slots_taken()
  local _, taken = string.gsub(slots, '1', '1')
  if st.holders + st.offers <= taken then return taken end
  local beyond = {}
  for _, h in pairs(live_entries()) do
    if h.slot >= st.limit and not beyond[h.slot] then
      beyond[h.slot], taken = true, taken + 1
    end
  end
  return taken
end

-- Whether a request can have the lock now.
local function fits(flags, parent)
  if st.limit > 0 then
    return string.find(slots, '0', 1, true) ~= nil and slots_taken() < st.limit
  elseif has(flags, EXCLUSIVE) then
    if st.holders + st.offers == 0 then return true end
    return parent ~= '' and others_than(parent) == 0
  end
  return st.exclusive == 0
end

-- Makes an entry. Every grant but one nested in the same mode gets a new fencing token.
local function grant(token, h, inherited_fence)
  if inherited_fence then
    h.fence = inherited_fence
  else
    st.fence = math.max(st.fence + 1, now_us)
    h.fence = st.fence
  end
  if has(h.flags, OFFERED) then st.offers = st.offers + 1 else st.holders = st.holders + 1 end
  if has(h.flags, EXCLUSIVE) then st.exclusive = st.exclusive + 1 end
  if has(h.flags, NESTED) then st.nested = st.nested + 1 end
  if st.limit > 0 and not inherited_fence then
    h.slot = string.find(slots, '0', 1, true) - 1
    slots = string.sub(slots, 1, h.slot) .. '1' .. string.sub(slots, h.slot + 2)
    st.slots_changed = true
  end
  h.since = now
  write_holder(token, h)
  if entries then entries[token] = h end
  if st.stale == 1 then
    unset[#unset + 1] = 'z'
    st.stale = 0
  end
  stale_record = nil
end

local function count_grant(waited_from)
  st.acquired = st.acquired + 1
  if waited_from then
    st.contended = st.contended + 1
    waits = record(waits or redis.call('HGET', lock, 'w'), now - math.floor(waited_from / 1000))
    st.waits_changed = true
  end
end

-- Up to `count` in line from `first` (0 is the head): {token, ticket, record}, with false for a record that is missing.
local function read_line(first, count)
  local pairs_ = redis.call('ZRANGE', line, first, first + count - 1, 'WITHSCORES')
  if #pairs_ == 0 then return {} end
  local tokens = {}
  for i = 1, #pairs_, 2 do tokens[#tokens + 1] = pairs_[i] end
  local raw = redis.call('HMGET', waiters, unpack(tokens))
  local result = {}
  for i, token in ipairs(tokens) do
    result[i] = {token = token, ticket = tonumber(pairs_[2 * i]), record = raw[i] and read_waiter(raw[i])}
  end
  return result
end

local function leave_line(tokens)
  if #tokens == 0 then return end
  local removed = redis.call('ZREM', line, unpack(tokens))
  redis.call('HDEL', waiters, unpack(tokens))
  st.waiters = math.max(0, st.waiters - removed)
end

-- Asks up to 100 in line behind ticket `after` to look at once; one window later, the first that did is next.
local function call_roll(after)
  if st.roll_end == 0 then st.roll_start = now end
  local tokens, pairs_ = {}, redis.call('ZRANGEBYSCORE', line, '(' .. string.format('%.0f', after), '+inf', 'WITHSCORES',
    'LIMIT', 0, 100)
  if #pairs_ == 0 then return end
  for i = 1, #pairs_, 2 do tokens[#tokens + 1] = pairs_[i] end
  st.roll_upto = tonumber(pairs_[#pairs_])
  local raw = redis.call('HMGET', waiters, unpack(tokens))
  for i, token in ipairs(tokens) do
    local w = raw[i] and read_waiter(raw[i])
    if w and token ~= caller and w.deadline - LIVENESS < st.roll_start then
      mail(w.mailbox, 'look 0')
      st.roll_end = now + CLAIM_WINDOW
    end
  end
end

-- Of one in line: 'dead', 'asked' (its answer to the roll call is awaited) or 'alive'.
local function pulse(one)
  local w = one.record
  if one.token == caller then return 'alive' end
  if not w or w.deadline <= now then return 'dead' end
  if st.roll_end == 0 or one.ticket > st.roll_upto or w.deadline - LIVENESS >= st.roll_start then return 'alive' end
  return now >= st.roll_end and 'dead' or 'asked'
end

-- Tells the first in line when to look again, if it is not the caller and would look later by itself.
local function tell_first(one)
  if not one or one.token == caller or st.min_end == 0 then return end
  local look = math.max(1, st.min_end - now + 1)
  if look < HEARTBEAT then mail(one.record.mailbox, 'look ' .. look) end
end

-- Hands the lock to the first in line for as long as it fits: at once if that is the caller, else as an offer that
-- the waiter must claim within a window. Returns the caller's entry if it was granted, and who is first in line now.
-- At most 100 dead are dropped and 100 offers made in one call; who is next is then told to look and goes on.
local function advance(waited_for)
  local leaving, dead, given, mine, first = {}, 0, 0, nil, nil
  local batch, i, position, size = {}, 1, 0, 2
  if window_lapsed and st.roll_end == 0 and st.waiters > 0 then
    local head = read_line(0, 1)[1]
    if head and head.token ~= caller then call_roll(0) end
  end
  while st.waiters > 0 do
    if i > #batch then
      batch, i = read_line(position, size), 1
      position, size = position + #batch, 100
      if #batch == 0 then
        if position == 0 then st.waiters = 0 end  -- the line's keys are gone
        break
      end
    end
    local head, w = batch[i], batch[i].record
    i = i + 1
    local state = pulse(head)
    if state == 'dead' then
      dead = dead + 1
      if dead > 100 then
        more_dead = true
        break
      end
      leaving[#leaving + 1] = head.token
    elseif state == 'asked' or given >= 100 or not fits(w.flags, w.parent) then
      if state == 'alive' then st.roll_end = 0 end  -- the first in line answered: the roll call is over
      first = head
      break
    else
      st.roll_end = 0
      given = given + 1
      leaving[#leaving + 1] = head.token
      local h = {flags = w.flags, slot = 0, ends = now + CLAIM_WINDOW, ticket = head.ticket, ttl = 0,
        parent = w.parent, mailbox = w.mailbox, who = w.who}
      if head.token == caller then
        h.ends, h.ttl = now + ttl, ttl
        mine = h
      else
        h.flags = h.flags + OFFERED
        mail(w.mailbox, 'claim')
      end
      grant(head.token, h)
    end
  end
  leave_line(leaving)
  if st.waiters == 0 then st.roll_end = 0 end
  -- Whoever lives behind them goes on. Should even more be dead, those who look by themselves do.
  for from = 0, more_dead and not caller and 1900 or -1, 100 do
    for _, one in ipairs(first and {} or read_line(from, 100)) do
      if not first and pulse(one) == 'alive' then first = one end
    end
  end
  if first and first.token ~= caller and (given >= 100 or more_dead) then
    mail(first.record.mailbox, 'look 0')
  elseif #leaving > 0 or waited_for then
    tell_first(first)
  end
  return mine, first
end

-- Stores what advance and purge left behind besides the state itself.
local function put_extras()
  if st.limit > 0 and st.slots_changed then put('b', slots) end
  if st.waits_changed then put('w', waits) end
  if st.ring_changed then put('t', ring) end
  if log_changed then put('l', log) end
  if stale_record then
    put('z', stale_record)
    st.stale = 1
  end
end
