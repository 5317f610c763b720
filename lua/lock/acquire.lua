--[[ lock/acquire: grants the lock, or keeps a place in line for it; the same token never counts twice.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  index of the bucket's locks
  KEYS[5]  changes, of an election; none for a lock
  ARGV[1]  token of the request
  ARGV[2]  TTL, ms
  ARGV[3]  flags: x exclusive or s shared; w wait in line; r reentrant; z take a new limit though others hold or wait
  ARGV[4]  limit: how many may hold at once; 0 for a lock without slots
  ARGV[5]  ticket of an earlier reply to this token, or 0
  ARGV[6]  token of a live hold of this same lock that the request is nested in, or ''
  ARGV[7]  mailbox of the request
  ARGV[8]  who asks, opaque
  ARGV[9]  name of the lock, for the index
  ARGV[10] names of the slots, joined, or ''
  Returns  {granted, fence, lease left ms, slot, server ms, new|again|nested|claimed, waited ms, term, unsent...}  held now
  Returns  {wait, look again in ms, place, in line, ticket, holder, held for ms, lease left ms, server ms, unsent...}  in line
  Returns  {held, holder, held for ms, lease left ms, in line, unsent...}  not free, and no wait was asked for
  Returns  {again, holder, held for ms, lease left ms, in line, unsent...}  more dead in line than one call drops: ask again
  Returns  {nested, holder}  would wait for the hold it is nested in
  Returns  {upgrading, holder}  another reader waits to become the writer already
  Returns  {revoked}  the hold of this token, or the one it is nested in, was taken away
  Returns  {gone}  this token was released or left before (one whose lease ended asks anew)
  Returns  {limit, limit, names}  others hold or wait under another limit or other names
  Writes  yes
  Retry  safe: the token finds its entry or its place again
]]
-- @include lib/lock_layout
local lock, line, waiters, index, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, ttl, flags, limit, parent = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[6]
if not (ttl and limit and tonumber(ARGV[5])) then return redis.error_reply('MISUSE lock/acquire: a number is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 't', 'h' .. token)
local raw, ring_raw, own_raw = found[1], found[2], found[3]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
if ring_raw and not own_raw and string.find(ring_raw, token, 1, true) then return {'gone'} end
local bits = string.find(flags, 'x', 1, true) and EXCLUSIVE or SHARED

-- The common case before anything is defined that it does not need: nobody holds, nobody waits.
if raw and limit == 0 and parent == '' and not own_raw and not changes then
  local _, fence, expires, min_end, max_end, line_expires, limit_was, holders, offers, nested, exclusive, in_line,
    stale, last_ticket, lapsed, roll_start, roll_upto, roll_end, acquired, contended, lost, timed_out, reset_at =
    struct.unpack(STATE, raw)
  local ends = now + ttl
  if holders + offers + in_line + stale + limit_was == 0 and ends + DAY <= expires then
    fence = math.max(fence + 1, now_us)
    redis.call('HSET', lock, 's', struct.pack(STATE, LAYOUT, fence, expires, ends, math.max(max_end, ends),
      line_expires, 0, 1, 0, 0, bits == EXCLUSIVE and 1 or 0, 0, 0, last_ticket, lapsed, 0, 0, 0, acquired + 1,
      contended, lost, timed_out, reset_at), 'h' .. token, struct.pack(HOLDER, bits, 0, ends, now, fence, 0, ttl, 0, '',
      #ARGV[7], ARGV[7], #ARGV[8], ARGV[8]))
    return {'granted', fence, ttl, 0, now, 'new', 0, 0}
  end
end

local caller = nil
-- @include lib/lock_histogram
-- @include lib/lock_tombs
-- @include lib/lock_state
-- @include lib/lock_changes
-- @include lib/lock_line
load_state(raw)
ring = ring_raw
if limit > 0 then bits = 0 end
local in_line_before = st.waiters

local function finish(reply)
  put_extras()
  save_state()
  write_changes(st.expires)
  return send(reply)
end

local function granted(h, how, waited)
  if changes and (how == 'new' or how == 'claimed') then
    term = term + 1
    put('n', string.format('%.0f', term))
    note('elected', h)
  end
  return finish({'granted', h.fence, h.ends - now, h.slot, now, how, waited, term})
end

local function entry(slot)
  return {flags = bits, slot = slot, ends = now + ttl, ticket = 0, ttl = ttl, parent = parent, mailbox = ARGV[7],
    who = ARGV[8]}
end

-- This token's own entry: a claim, or a request that was sent again.
if own_raw then
  local own = read_holder(own_raw)
  if has(own.flags, RESTING) then return {'gone'} end
  -- Also when its lease is over: a copy that comes late does not bring back what was taken away.
  if has(own.flags, REVOKED) then return {'revoked'} end
  if own.ends > now then
    local how, waited, offered_at = 'again', 0, own.since
    own.ttl = ttl
    if st.limit > 0 then slots = redis.call('HGET', lock, 'b') end
    if has(own.flags, OFFERED) then
      own.flags, own.ends, own.since = own.flags - OFFERED, now + ttl, now
      st.offers, st.holders = st.offers - 1, st.holders + 1
      -- The ticket of an upgrade is its place before all others, not the time at which it asked.
      local asked = own.ticket > 1 and own.ticket or offered_at * 1000
      how, waited = 'claimed', math.max(0, now - math.floor(asked / 1000))
      count_grant(asked)
      write_holder(token, own)
      -- Readers and slots go in together: a claim goes on with what one hand-over could not do.
      if st.waiters > 0 and not has(own.flags, EXCLUSIVE) then advance() end
    else
      own.ends = math.max(own.ends, now + ttl)
      write_holder(token, own)
    end
    return granted(own, how, waited)
  end
end

-- The limit: a different one, or other names, is only taken over when nobody holds or waits.
local stored = redis.call('HMGET', lock, 'b', 'p')
slots = stored[1] or ''
local purged = purge()
if raw and (st.limit ~= limit or (stored[2] or '') ~= ARGV[10]) then
  local live, dead = st.holders + st.offers, {}
  local head = live == 0 and st.waiters > 0 and read_line(0, 100) or {}
  for _, one in ipairs(head) do
    if one.token ~= token then
      if one.record and one.record.deadline > now then live = live + 1 else dead[#dead + 1] = one.token end
    end
  end
  -- Behind that many dead somebody may live who asked for the old one.
  if live == 0 and #head == 100 and st.waiters > 100 then
    leave_line(dead)
    return finish({'again', '', 0, 0, st.waiters})
  end
  if live > 0 and (st.limit == 0 or limit == 0 or not string.find(flags, 'z', 1, true)) then
    return {'limit', st.limit, stored[2] or ''}
  end
  -- A pool may be cut or added to, but a name keeps its number while somebody may hold it.
  local old_names, new_names = (stored[2] or '') .. ',', ARGV[10] .. ','
  local shorter = math.min(#old_names, #new_names)
  if live > 0 and string.sub(old_names, 1, shorter) ~= string.sub(new_names, 1, shorter) then
    return {'limit', st.limit, stored[2] or ''}
  end
end
if st.limit ~= limit or (stored[2] or '') ~= ARGV[10] then
  slots = string.rep('0', limit)
  for _, h in pairs(limit > 0 and live_entries() or {}) do
    if h.slot < limit then slots = string.sub(slots, 1, h.slot) .. '1' .. string.sub(slots, h.slot + 2) end
  end
  st.limit, st.slots_changed = limit, true
  if ARGV[10] ~= '' then put('p', ARGV[10]) elseif stored[2] then unset[#unset + 1] = 'p' end
  if limit == 0 then unset[#unset + 1] = 'b' end
end

-- Nesting: by the token of a live hold of this same lock.
local upgrade = false
if parent ~= '' then
  local outer_raw = redis.call('HGET', lock, 'h' .. parent)
  local outer = outer_raw and read_holder(outer_raw)
  if outer and outer.ends > now and not has(outer.flags, OFFERED) and not has(outer.flags, RESTING) then
    if has(outer.flags, REVOKED) then return {'revoked'} end
    if not string.find(flags, 'r', 1, true) then return {'nested', outer.who} end
    bits = bits + NESTED
    upgrade = has(bits, EXCLUSIVE) and not has(outer.flags, EXCLUSIVE)
    if not upgrade then
      local h = entry(outer.slot)
      grant(token, h, outer.fence)
      count_grant()
      return granted(h, 'nested', 0)
    end
  else
    parent = ''
  end
end

local ticket = st.waiters > 0 and tonumber(redis.call('ZSCORE', line, token) or nil) or nil
if not raw then redis.call('ZADD', index, 'NX', now, ARGV[9]) end

-- An upgrade whose outer hold has ended is a request like any other.
if ticket == 1 and not upgrade then
  leave_line({token})
  ticket = nil
end

-- An upgrade stands before all others; two of them would wait for each other for ever.
if upgrade and not ticket and st.waiters > 0 then
  local head = read_line(0, 1)[1]
  if head and head.ticket == 1 then
    if head.record and head.record.deadline > now then return {'upgrading', head.record.who} end
    leave_line({head.token})
  end
end

-- Nobody in line before this request: straight through if it fits. Those who do not wait let the living go first.
local wants_wait = string.find(flags, 'w', 1, true)
if not wants_wait then
  if ticket then leave_line({token}) end
  if st.waiters > 0 and not upgrade then advance() end
end
if (st.waiters == 0 or (upgrade and not ticket)) and fits(bits, parent) then
  local h = entry(0)
  grant(token, h)
  count_grant()
  return granted(h, 'new', 0)
end
local who, since, left = '', 0, 0
for id, h in pairs(live_entries()) do
  if h.ends > now and id ~= token and (since == 0 or h.since < since) then who, since, left = h.who, h.since, h.ends - now end
end
local held_for = since > 0 and now - since or 0
if not wants_wait then
  local reply = {more_dead and 'again' or 'held', who, held_for, left, st.waiters}
  if purged or #mails > 0 or st.waiters ~= in_line_before then return finish(reply) end
  return reply
end

-- Join the line, or stay in it.
caller = token
local fresh = not ticket
if fresh then
  ticket = upgrade and 1 or tonumber(ARGV[5])
  if not upgrade and ticket <= math.max(1, st.lapsed_ticket) then
    st.last_ticket = math.max(st.last_ticket + 1, now_us)
    ticket = st.last_ticket
  end
  redis.call('ZADD', line, string.format('%.0f', ticket), token)
  st.waiters = st.waiters + 1
end
redis.call('HSET', waiters, token, write_waiter({flags = bits, deadline = now + LIVENESS, parent = parent,
  mailbox = ARGV[7], who = ARGV[8]}))
if (fresh and st.waiters == 1) or now + DAY > st.line_expires then
  st.line_expires = now + DAY + HOUR
  redis.call('PEXPIREAT', line, st.line_expires)
  redis.call('PEXPIREAT', waiters, st.line_expires)
end

local mine, first = advance()
if mine then
  local asked = mine.ticket > 1 and mine.ticket or now_us
  count_grant(asked)
  return granted(mine, 'new', math.max(0, now - math.floor(asked / 1000)))
end

-- A roll call that did not reach this request yet goes on, 100 at a time.
if st.roll_end > now and ticket > st.roll_upto and first and first.token ~= token then call_roll(st.roll_upto) end

local place = redis.call('ZRANK', line, token) or 0
local look = HEARTBEAT
if more_dead or (st.roll_end > now and ticket > st.roll_upto) then
  look = 1
elseif st.roll_end > now then
  look = math.min(look, st.roll_end - now + 1 + place)
elseif (place == 0 or st.offers > 0) and st.min_end > 0 then
  look = math.min(look, math.max(0, st.min_end - now) + 1 + place)
end
return finish({'wait', look, place, st.waiters, string.format('%.0f', ticket), who, held_for, left, now})
