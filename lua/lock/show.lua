--[[ lock/show: what is known of locks of one bucket, as of now and without changing anything.
  KEYS[1..]  of each: lock, line, waiters
  ARGV[1]  how many waiters to list of each
  ARGV[2]  a for all that is stored, which is `more` below; else ''
  Returns  {locks, server ms, each...}  fewer than asked for when that is work enough for one call: ask for the rest
  Returns  {layout, version}  in place of one that is stored in another layout
  Writes  no
  Retry  safe: it only reads
]]
-- Each is false (never used, forgotten, or idle for over a day), or {fence, limit, acquired, contended, lost, timed out, term, holders n, waiters n, listed n, n times (token, flags, slot, ends ms, since ms,
-- fence, ttl ms, parent, who), listed times (token, flags, asked us, parent, who), more}. An entry that has ended
-- stands there as the last holder. More is: names of the slots, histograms of waits and of holds, since when they
-- count, log.
-- @include lib/lock_layout
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, more = math.min(tonumber(ARGV[1]) or 0, 1000), ARGV[2] == 'a'
-- Beyond these the living in line are not told from the dead; after so many records a call has done enough.
local LOOKED_AT, ENOUGH = 1000, 1000
local work = 0

-- The live holders in the order of their grants, or else the last one alone.
local function holders_of(lock)
  local all, live, last = redis.call('HGETALL', lock), {}, nil
  for i = 1, #all, 2 do
    local first = string.byte(all[i])
    if first == 104 or all[i] == 'z' then
      local flags, slot, ends, since, fence, _, ttl, parent, _, who = struct.unpack(HOLDER, all[i + 1])
      local one = {first == 104 and string.sub(all[i], 2) or '', flags, slot, ends, since, fence, ttl, parent, who}
      if first == 104 and ends > now then
        live[#live + 1] = one
      elseif (first ~= 104 or (flags % 8 < OFFERED and flags < RESTING)) and (not last or ends > last[4]) then
        last = one
      end
    end
  end
  work = work + #all / 2
  if #live == 0 then return {last} end
  table.sort(live, function(a, b) return a[6] < b[6] or (a[6] == b[6] and a[5] < b[5]) end)
  return live
end

-- How many wait, and the first of them.
local function line_of(line, waiters, in_line)
  local pairs_ = redis.call('ZRANGE', line, 0, LOOKED_AT - 1, 'WITHSCORES')
  local tokens, listed = {}, {}
  for i = 1, #pairs_, 2 do tokens[#tokens + 1] = pairs_[i] end
  work = work + #tokens
  if #tokens == 0 then return 0, listed end
  local count = math.max(0, in_line - #tokens)
  for i, raw in ipairs(redis.call('HMGET', waiters, unpack(tokens))) do
    local flags, deadline, parent, _, who
    if raw then flags, deadline, parent, _, who = struct.unpack(WAITER, raw) end
    if raw and deadline > now then
      count = count + 1
      if #listed < most then listed[#listed + 1] = {tokens[i], flags, pairs_[2 * i], parent, who} end
    end
  end
  return count, listed
end

local function view(lock, line, waiters)
  work = work + 1
  local found = redis.call('HMGET', lock, 's', 'n')
  local raw = found[1]
  if not raw then return false end
  if string.byte(raw) ~= LAYOUT then return {'layout', string.byte(raw)} end
  local _, fence, _, _, _, _, limit, held, offers, _, _, in_line, stale, _, _, _, _, _, acquired, contended, lost,
    timed_out, reset_at = struct.unpack(STATE, raw)
  local holders = held + offers + stale > 0 and holders_of(lock) or {}
  local count, listed = 0, {}
  if in_line > 0 then count, listed = line_of(line, waiters, in_line) end
  local reply = {fence, limit, acquired, contended, lost, timed_out, found[2] or '0', #holders, count, #listed}
  local at = #reply
  for _, one in ipairs(holders) do
    for i = 1, 9 do reply[at + i] = one[i] end
    at = at + 9
  end
  for _, one in ipairs(listed) do
    for i = 1, 5 do reply[at + i] = one[i] end
    at = at + 5
  end
  if more then
    local stored = redis.call('HMGET', lock, 'p', 'w', 'd', 'l')
    for i, value in ipairs({stored[1] or '', stored[2] or '', stored[3] or '', reset_at, stored[4] or ''}) do
      reply[at + i] = value
    end
  end
  return reply
end

local reply = {'locks', now}
for i = 1, #KEYS, 3 do
  if work >= ENOUGH then break end
  reply[#reply + 1] = view(KEYS[i], KEYS[i + 1], KEYS[i + 2])
end
return reply
