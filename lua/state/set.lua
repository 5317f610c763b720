--[[ state/set: sets or deletes a value if the conditions hold, and calls those that watch it; once for each request.
  KEYS[1]  value
  KEYS[2]  those that watch
  KEYS[3]  those that are still to be called
  KEYS[4]  index of the bucket's values
  KEYS[5]  with ARGV[9]: the lock
  ARGV[1]  token of the request
  ARGV[2]  the bytes
  ARGV[3]  set or delete
  ARGV[4]  TTL, ms, or 0 for none
  ARGV[5]  flags: a only if there is none; v only if it is ARGV[7]
  ARGV[6]  only if this is its version (0: there is none), or ''
  ARGV[7]  with v: the bytes that it must have
  ARGV[8]  fencing token, or ''
  ARGV[9]  token of a hold of the lock, without which nothing is written, or ''
  ARGV[10] who writes, opaque
  ARGV[11] name of the value, for the index
  Returns  {set, version, unsent...}  done now, or by this request before
  Returns  {absent, version}  delete: there is none
  Returns  {exists, version}  there is one
  Returns  {version, version}  it has another version; 0: there is none
  Returns  {differs, version, bytes}  it has other bytes; 0: there is none
  Returns  {fenced, fence, version}  a newer fencing token has written
  Returns  {unlocked}  that token does not hold the lock
  Writes  yes
  Retry  safe: the last 64 requests of each value are known, and the last 64 that were refused
]]
-- @include lib/state_layout
local state, watching, calling, index, token, name = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[11]
local deletes, ttl, fence = ARGV[3] == 'delete', tonumber(ARGV[4]), tonumber(ARGV[8])
if not ttl or #token ~= 32 then return redis.error_reply('MISUSE state/set: a number or the token is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local compares = string.find(ARGV[5], 'v', 1, true)
local found = redis.call('HMGET', state, 'm', 'r', 'f', compares and 'v' or '')
local refusals = found[3]
if found[1] and string.byte(found[1]) ~= LAYOUT then
  return redis.error_reply('LAYOUT this value has layout ' .. string.byte(found[1]) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/state_write
local before = done_before(found[2])
if before then return {'set', string.format('%.0f', before)} end
local m = read_meta(found[1])
local refusal = forbidden(m, fence, ARGV[9] ~= '' and KEYS[5] or nil, ARGV[9])
if refusal then return refuse(m, refusals, refusal) end
local current = m.present == 1 and string.format('%.0f', m.version) or '0'
if string.find(ARGV[5], 'a', 1, true) and m.present == 1 then return refuse(m, refusals, {'exists', current}) end
if ARGV[6] ~= '' and ARGV[6] ~= current then return refuse(m, refusals, {'version', current}) end
if compares and (m.present == 0 or found[4] ~= ARGV[7]) then
  return refuse(m, refusals, {'differs', current, m.present == 1 and found[4] or ''})
end
if deletes and m.present == 0 then return refuse(m, refusals, {'absent', current}) end
local late = refused_before(refusals)
if late then return late end
if deletes then
  redis.call('HDEL', state, 'v')
else
  redis.call('HSET', state, 'v', ARGV[2])
end
changed(m, deletes and 0 or 1, (not deletes and ttl > 0) and now + ttl or 0, fence, ARGV[10], found[2])
return send({'set', string.format('%.0f', m.version)})
