--[[ lock/show: what is known of a lock, as of now and without changing anything.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  ARGV[1]  how many waiters to list
  Returns  {absent, server ms}  never used, forgotten, or idle for over a day
  Returns  {lock, server ms, fence, limit, names, acquired, contended, lost, timed out, term, holders n, waiters n, listed n, n times (token, flags, slot, ends ms, since ms, fence, ttl ms, parent, who), listed times (token, flags, asked us, who)}  an entry that has ended stands there as the last holder
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/lock_layout
local lock, line, waiters = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local all = redis.call('HGETALL', lock)
-- @include lib/lock_state
local raw, entries, last = nil, {}, nil
local names, term = '', 0
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if field == 's' then
    raw = value
  elseif field == 'p' then
    names = value
  elseif field == 'n' then
    term = value
  elseif field == 'z' then
    last = {'', read_holder(value)}
  elseif string.byte(field) == 104 then
    entries[#entries + 1] = {string.sub(field, 2), value}
  end
end
if not raw then return {'absent', now} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
load_state(raw)
local live = {}
for _, entry in ipairs(entries) do
  local h = read_holder(entry[2])
  if h.ends > now then
    live[#live + 1] = {entry[1], h}
  elseif not has(h.flags, OFFERED) and not has(h.flags, RESTING) and (not last or h.ends > last[2].ends) then
    last = {entry[1], h}
  end
end
table.sort(live, function(a, b) return a[2].fence < b[2].fence or (a[2].fence == b[2].fence and a[2].since < b[2].since) end)
if #live == 0 and last then live[1] = last end
local reply = {'lock', now, st.fence, st.limit, names, st.acquired, st.contended, st.lost, st.timed_out, term, #live}
local listed, count = {}, 0
local most = math.min(tonumber(ARGV[1]) or 0, 1000)
local pairs_ = st.waiters > 0 and redis.call('ZRANGE', line, 0, -1, 'WITHSCORES') or {}
local tokens = {}
for i = 1, #pairs_, 2 do tokens[#tokens + 1] = pairs_[i] end
for first = 1, #tokens, 5000 do
  local records = redis.call('HMGET', waiters, unpack(tokens, first, math.min(first + 4999, #tokens)))
  for i, record_raw in ipairs(records) do
    local w = record_raw and read_waiter(record_raw)
    if w and w.deadline > now then
      count = count + 1
      if count <= most then
        listed[#listed + 1] = {tokens[first + i - 1], w.flags, pairs_[2 * (first + i - 1)], w.who}
      end
    end
  end
end
reply[#reply + 1] = count
reply[#reply + 1] = #listed
for _, one in ipairs(live) do
  local h = one[2]
  for _, value in ipairs({one[1], h.flags, h.slot, h.ends, h.since, h.fence, h.ttl, h.parent, h.who}) do
    reply[#reply + 1] = value
  end
end
for _, one in ipairs(listed) do
  for _, value in ipairs(one) do reply[#reply + 1] = value end
end
return reply
