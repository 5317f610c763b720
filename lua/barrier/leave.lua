--[[ barrier/leave: takes the arrival of one that gives up back, for good, unless its generation is over: then tells how.
  KEYS[1]  barrier
  KEYS[2]  parties of the open generation
  KEYS[3]  those of ended ones that are still to be called
  KEYS[4]  those of ended ones that were called
  ARGV[1]  token of the request
  ARGV[2]  id of the party; with n the token
  ARGV[3]  flags: n it did not arrive; l it wants to lead
  ARGV[4]  generation that the last reply to this token told, or 0
  ARGV[5]  timeout or signal to break the generation for all, or ''
  ARGV[6]  who gives up, opaque
  Returns  {left, unsent...}  it is none of the parties any more, or never was
  Returns  {passed, generation, index, leads 1|0, parties, waited ms, unsent...}  all had arrived
  Returns  {broken, generation, timeout|signal|reset, who, unsent...}  it had been broken before
  Writes  yes
  Retry  safe: a token that left stays so for a minute
]]
-- @include lib/barrier_layout
local barrier, parties, waking, settled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, flags, known = ARGV[1], ARGV[3], tonumber(ARGV[4])
if not known then return redis.error_reply('MISUSE barrier/leave: the generation is not a number') end
local field = (string.find(flags, 'n', 1, true) and 'w' or 'p') .. ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', barrier, 's', 't', field)
local raw, ring = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this barrier has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/lock_tombs
-- @include lib/barrier_state
-- @include lib/barrier_party
-- Freeing first: when memory is out, a script is only let through if its first write frees.
redis.call('HDEL', barrier, '')
if not raw then
  redis.call('HSET', barrier, 't', bury(ring, token, now))
  redis.call('PEXPIRE', barrier, 2 * MINUTE)
  return {'left'}
end
load_state(raw)
local own = found[3] and read_party(found[3])

local function finish(reply)
  wake_some()
  save_state()
  return send(reply)
end

if own and own.generation ~= st.generation and concerns(own) then return finish(tell(own)) end
local mine = own and own.generation == st.generation and own.token == token
if mine and st.complete == 1 then return finish(consume(own, true)) end
put('t', bury(ring, token, now))
if mine then
  if has(own.flags, STAYS) then
    own.mailbox = ''
    redis.call('ZADD', parties, FOR_EVER, field)
    write_party(field, own)
  else
    redis.call('ZREM', parties, field)
    take_out(field, own)
  end
  if ARGV[5] ~= '' and redis.call('EXISTS', parties) == 1 then close(BROKEN, ARGV[5], ARGV[6], 0) end
  start_over_if_empty()
end
return finish({'left'})
