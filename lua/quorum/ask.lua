--[[ quorum/ask: one server's vote for a lock that several keep; it stands for a moment, and nobody is handed anything.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  index of the bucket's locks
  KEYS[5]  mailbox of the request
  KEYS[6]  changes, of an election; none for a lock
  ARGV[1]  token of the request
  ARGV[2]  attempt, 8 characters: a new one each time that all servers are asked
  ARGV[3]  how long the vote stands, ms
  ARGV[4]  TTL that is wanted, ms
  ARGV[5]  flags: x exclusive or s shared; w wait in line
  ARGV[6]  which servers keep it
  ARGV[7]  token of a hold of this same lock around the request, or ''
  ARGV[8]  who asks, opaque
  ARGV[9]  name of the lock, for the index
  Returns  {granted, fence, server ms, term, longest TTL ms, uptime s, run id}  its vote; the TTL is the longest that was ever asked for
  Returns  {held, holder, held for ms, lease left ms, claimed, in line}  not free; claimed is 0 if it only voted for somebody
  Returns  {nested, holder}  would wait for the hold around it
  Returns  {revoked}  the hold of this token was taken away
  Returns  {gone}  this token was released or left before, or the attempt taken back
  Returns  {servers, which}  the lock is in use, and kept by these servers; '' for this one alone
  Writes  yes
  Retry  safe: the token finds its vote again
]]
-- @include lib/lock_layout
local lock, line, waiters, index, mailbox, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local token, window, ttl, flags, servers = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
if not (window and ttl) then return redis.error_reply('MISUSE quorum/ask: a number is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 't', 'h' .. token, 'q', 'm')
local raw, ring_raw, own_raw, longest = found[1], found[2], found[3], tonumber(found[5] or 0)
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
local buried = string.find(ring_raw or '', string.sub(token, 1, 24) .. ARGV[2], 1, true)
if buried or (not own_raw and string.find(ring_raw or '', token, 1, true)) then return {'gone'} end
local caller = nil
-- @include lib/lock_histogram
-- @include lib/lock_tombs
-- @include lib/lock_state
-- @include lib/lock_changes
-- @include lib/lock_line
-- @include lib/quorum_state
ring = ring_raw
local other = kept_otherwise(raw, found[4])
if other then return {'servers', other} end
if not raw then redis.call('ZADD', index, 'NX', now, ARGV[9]) end
if ttl > longest then
  longest = ttl
  put('m', ttl)
end
local bits = string.find(flags, 'x', 1, true) and EXCLUSIVE or SHARED

-- How long it is up is for the caller: one that was started since may have forgotten a lease that has not ended.
local function granted(h)
  local info = redis.call('INFO', 'server')
  return finish({'granted', h.fence, now, term, longest, tonumber(string.match(info, 'uptime_in_seconds:(%d+)')),
    string.match(info, 'run_id:(%w+)')})
end

local own = live_entries()[token]
if own then
  if has(own.flags, RESTING) then return {'gone'} end
  if has(own.flags, REVOKED) then return {'revoked'} end
  own.ends = math.max(own.ends, now + (has(own.flags, OFFERED) and window or ttl))
  write_holder(token, own)
  return granted(own)
end
local outer = live_entries()[ARGV[7]]
if outer then return {'nested', outer.who} end
if fits(bits, '') then
  own = {flags = bits + OFFERED, slot = 0, ends = now + window, ticket = 0, ttl = ttl, parent = '', mailbox = mailbox,
    who = ARGV[8]}
  grant(token, own)
  return granted(own)
end

local who, since, ends, claimed = '', 0, 0, 0
for _, h in pairs(live_entries()) do
  if not has(h.flags, OFFERED) then claimed = 1 end
  if since == 0 or h.since < since then who, since = h.who, h.since end
  ends = math.max(ends, h.ends)
end
if string.find(flags, 'w', 1, true) then
  if not redis.call('ZSCORE', line, token) then
    st.last_ticket = math.max(st.last_ticket + 1, now_us)
    redis.call('ZADD', line, string.format('%.0f', st.last_ticket), token)
    st.waiters = st.waiters + 1
  end
  redis.call('HSET', waiters, token, write_waiter({flags = bits, deadline = now + LIVENESS, parent = '', mailbox = mailbox,
    who = ARGV[8]}))
  if st.waiters == 1 or now + DAY > st.line_expires then
    st.line_expires = now + DAY + HOUR
    redis.call('PEXPIREAT', line, st.line_expires)
    redis.call('PEXPIREAT', waiters, st.line_expires)
  end
  -- What it was told before, it has just done.
  redis.call('DEL', mailbox)
end
return finish({'held', who, now - since, ends - now, claimed, st.waiters})
