--[[ state/watch: the value if its version is another than the one that is known, else has the caller called when it changes.
  KEYS[1]  value
  KEYS[2]  those that watch
  KEYS[3]  those that are still to be called
  ARGV[1]  version that is known
  ARGV[2]  mailbox of the request
  Returns  {value, version, changes, at ms, left ms, fence, who, bytes, unsent...}  changed
  Returns  {absent, version, changes, at ms, who, unsent...}  deleted or expired; version 0: nothing is known of it (any more)
  Returns  {wait, look again in ms, unsent...}  not changed
  Writes  yes
  Retry  safe: it is called once, and looks again by itself
]]
-- @include lib/state_layout
local state, watching, calling, mailbox = KEYS[1], KEYS[2], KEYS[3], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', state, 'm', 'v')
if found[1] and string.byte(found[1]) ~= LAYOUT then
  return redis.error_reply('LAYOUT this value has layout ' .. string.byte(found[1]) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/state_meta
-- @include lib/state_call
local m = read_meta(found[1])
local version = string.format('%.0f', m.version)
call_some()
if version ~= ARGV[1] then
  if m.present == 0 then return send({'absent', version, m.changes, m.time, m.who}) end
  return send({'value', version, m.changes, m.time, left_of(m), string.format('%.0f', m.fence), m.who, found[2] or ''})
end
redis.call('ZREMRANGEBYSCORE', watching, '-inf', now)
redis.call('ZADD', watching, now + LIVENESS, mailbox)
redis.call('PEXPIREAT', watching, now + DAY)
return send({'wait', m.deadline > 0 and math.min(HEARTBEAT, m.deadline - now + 1) or HEARTBEAT})
