--[[ quorum/hold: makes a vote a hold, under the fence that a majority is told; or takes a hold again where it was lost.
  KEYS[1]  lock
  KEYS[2]  line
  KEYS[3]  waiters
  KEYS[4]  index of the bucket's locks
  KEYS[5]  changes, of an election; none for a lock
  ARGV[1]  token of the request
  ARGV[2]  TTL, ms
  ARGV[3]  vote: only a vote that stands becomes a hold; again: one is made where it is free, too, for a holder whose lease is valid
  ARGV[4]  fence
  ARGV[5]  term, of an election; else 0
  ARGV[6]  flags: x exclusive or s shared
  ARGV[7]  which servers keep it
  ARGV[8]  mailbox of the request
  ARGV[9]  who asks, opaque
  ARGV[10] name of the lock, for the index
  Returns  {held, lease left ms, server ms, unsent...}  held on this server
  Returns  {lapsed}  the vote has ended
  Returns  {taken}  it is not free
  Returns  {revoked}  the hold of this token was taken away
  Returns  {gone}  this token was released or left before
  Returns  {servers, which}  the lock is in use, and kept by these servers; '' for this one alone
  Writes  yes
  Retry  safe: it only raises
]]
-- @include lib/lock_layout
local lock, line, waiters, index, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, ttl, fence, servers = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4]), ARGV[7]
if not (ttl and fence and tonumber(ARGV[5])) then return redis.error_reply('MISUSE quorum/hold: a number is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', lock, 's', 't', 'h' .. token, 'q', 'm')
local raw, ring_raw, own_raw = found[1], found[2], found[3]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
if not own_raw and string.find(ring_raw or '', token, 1, true) then return {'gone'} end
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
local own, claimed = live_entries()[token], false
if own and has(own.flags, RESTING) then return {'gone'} end
if own and has(own.flags, REVOKED) then return {'revoked'} end
if own and has(own.flags, OFFERED) then
  own.flags, own.since = own.flags - OFFERED, now
  st.offers, st.holders = st.offers - 1, st.holders + 1
  claimed = true
elseif not own then
  if ARGV[3] ~= 'again' then return {'lapsed'} end
  local bits = string.find(ARGV[6], 'x', 1, true) and EXCLUSIVE or SHARED
  if not fits(bits, '') then return {'taken'} end
  if not raw then redis.call('ZADD', index, 'NX', now, ARGV[10]) end
  own = {flags = bits, slot = 0, ends = 0, ticket = 0, ttl = ttl, parent = '', mailbox = ARGV[8], who = ARGV[9]}
  grant(token, own, fence)
  claimed = true
end
st.fence = math.max(st.fence, fence)
own.fence, own.ttl, own.ends = fence, ttl, math.max(own.ends, now + ttl)
write_holder(token, own)
if ttl > tonumber(found[5] or 0) then put('m', ttl) end
local asked = st.waiters > 0 and tonumber(redis.call('ZSCORE', line, token) or nil)
if asked then leave_line({token}) end
if claimed then count_grant(asked) end
if changes and claimed then
  term = math.max(term, tonumber(ARGV[5]))
  put('n', string.format('%.0f', term))
  note('elected', own)
end
-- Readers go in one after the other.
if claimed and not has(own.flags, EXCLUSIVE) then hint() end
return finish({'held', own.ends - now, now})
