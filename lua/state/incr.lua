--[[ state/incr: adds to a value that is a whole number of 64 bits, within bounds; none is 0. Once for each request.
  KEYS[1]  value
  KEYS[2]  those that watch
  KEYS[3]  those that are still to be called
  KEYS[4]  index of the bucket's values
  KEYS[5]  with ARGV[7]: the lock
  ARGV[1]  token of the request
  ARGV[2]  how much, decimal
  ARGV[3]  least that may result, decimal, or ''
  ARGV[4]  most that may result, decimal, or ''
  ARGV[5]  TTL, ms; 0 keeps what it has
  ARGV[6]  fencing token, or ''
  ARGV[7]  token of a hold of the lock, without which nothing is written, or ''
  ARGV[8]  who writes, opaque
  ARGV[9]  name of the value, for the index
  Returns  {set, version, number, unsent...}  done now, or by this request before
  Returns  {bound, version, number}  it would be beyond a bound; what it is
  Returns  {no_integer, version}  it is no whole number of 64 bits
  Returns  {overflow, version}  the sum would be none
  Returns  {fenced, fence, version}  a newer fencing token has written
  Returns  {unlocked}  that token does not hold the lock
  Writes  yes
  Retry  safe: the last 64 requests of each value are known, and the last 64 that were refused
]]
-- @include lib/state_layout
local state, watching, calling, index, token, name = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[9]
local ttl, fence = tonumber(ARGV[5]), tonumber(ARGV[6])
if not ttl or #token ~= 32 then return redis.error_reply('MISUSE state/incr: a number or the token is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local found = redis.call('HMGET', state, 'm', 'r', 'v', 'f')
local refusals = found[4]
if found[1] and string.byte(found[1]) ~= LAYOUT then
  return redis.error_reply('LAYOUT this value has layout ' .. string.byte(found[1]) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/state_write
local before, made = done_before(found[2])
if before then return {'set', string.format('%.0f', before), made} end
local m = read_meta(found[1])
local refusal = forbidden(m, fence, ARGV[7] ~= '' and KEYS[5] or nil, ARGV[7])
if refusal then return refuse(m, refusals, refusal) end
local current = m.present == 1 and string.format('%.0f', m.version) or '0'

-- Of two whole numbers as text: Lua's own lose digits.
local function less(a, b)
  local a_negative, b_negative = string.sub(a, 1, 1) == '-', string.sub(b, 1, 1) == '-'
  if a_negative ~= b_negative then return a_negative end
  if a_negative then a, b = string.sub(b, 2), string.sub(a, 2) end
  if #a ~= #b then return #a < #b end
  return a < b
end

local late = refused_before(refusals)
if late then return late end

-- The server adds; what it may not have added is put back.
local old = m.present == 1 and found[3] or nil
if not old and found[3] then redis.call('HDEL', state, 'v') end
local added = redis.pcall('HINCRBY', state, 'v', ARGV[2])
if type(added) == 'table' then
  if string.find(added.err, 'overflow', 1, true) then return refuse(m, refusals, {'overflow', current}) end
  if string.find(added.err, 'not an integer', 1, true) then return refuse(m, refusals, {'no_integer', current}) end
  return added
end
local number = redis.call('HGET', state, 'v')
if (ARGV[3] ~= '' and less(number, ARGV[3])) or (ARGV[4] ~= '' and less(ARGV[4], number)) then
  if old then redis.call('HSET', state, 'v', old) else redis.call('HDEL', state, 'v') end
  return refuse(m, refusals, {'bound', current, old or '0'})
end
changed(m, 1, ttl > 0 and now + ttl or m.deadline, fence, ARGV[8], found[2], number)
return send({'set', string.format('%.0f', m.version), number})
