--[[ barrier/wait: arrives, or only waits for the others, and tells when all have; the same token or id never counts twice.
  KEYS[1]  barrier
  KEYS[2]  parties of the open generation
  KEYS[3]  those of ended ones that are still to be called
  KEYS[4]  those of ended ones that were called
  KEYS[5]  index of the bucket's barriers
  ARGV[1]  token of the request
  ARGV[2]  id of the party; with n the token
  ARGV[3]  how many have to arrive
  ARGV[4]  flags: n only wait, do not arrive; l wants to lead
  ARGV[5]  generation that an earlier reply to this token told, or 0
  ARGV[6]  mailbox of the request
  ARGV[7]  who asks, opaque
  ARGV[8]  name of the barrier, for the index
  Returns  {passed, generation, index, leads 1|0, parties, waited ms, unsent...}  all have arrived; index -1: it was none of them
  Returns  {wait, look again in ms, generation, index, arrived, parties, waited ms, unsent...}  not all have arrived
  Returns  {broken, generation, timeout|signal|reset, who, unsent...}  somebody gave up and broke it for all, or it was reset
  Returns  {parties, parties, unsent...}  the others wait for another number
  Returns  {again, unsent...}  more dead than one call drops: ask again
  Returns  {gone}  this token gave up before, or its party came again with another one after it
  Writes  yes
  Retry  safe: the token finds its arrival, or how its generation ended
]]
-- @include lib/barrier_layout
local barrier, parties, waking, settled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, wanted, flags, known = ARGV[1], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
if not (wanted and known) then return redis.error_reply('MISUSE barrier/wait: a number is not one') end
local watches = string.find(flags, 'n', 1, true)
local field = (watches and 'w' or 'p') .. ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', barrier, 's', 't', field)
local raw, ring = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this barrier has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
if ring and string.find(ring, token, 1, true) then return {'gone'} end
-- @include lib/barrier_state
-- @include lib/barrier_again
-- @include lib/barrier_party
load_state(raw)
local own = found[3] and read_party(found[3])

local function finish(reply)
  wake_some()
  prune()
  save_state()
  return send(reply)
end

local function waits(p)
  return finish({'wait', HEARTBEAT, p.generation, watches and -1 or p.index, count_arrived(), st.parties, now - p.since})
end

-- A party of the open generation: a look, or one that came again.
if own and own.generation == st.generation then
  if st.parties == wanted then
    own.token, own.mailbox, own.who = token, ARGV[6], ARGV[7]
    if st.complete == 1 then return finish(consume(own, true)) end
    local deadline = now + LIVENESS
    redis.call('ZADD', parties, has(own.flags, STAYS) and AND_WAITS or watches and -deadline or deadline, field)
    write_party(field, own)
    return waits(own)
  end
  if redis.call('ZCARD', parties) > 1 then return {'parties', st.parties} end
  take_out(field, own)
  redis.call('ZREM', parties, field)
  own = nil
end

if own then
  if concerns(own) then return finish(tell(own)) end
  supersede(own)
  redis.call('ZREM', waking, field)
  redis.call('ZREM', settled, field)
  forget_some(own.generation, 1)
end

if purge() then return finish({'again'}) end
start_over_if_empty()
if st.parties ~= wanted and st.parties > 0 then return finish({'parties', st.parties}) end
st.parties = wanted
if not raw then redis.call('ZADD', KEYS[5], 'NX', now, ARGV[8]) end
local new = {flags = watches and WATCHES or 0, generation = st.generation, since = now, index = 0, token = token,
  mailbox = ARGV[6], who = ARGV[7]}
if st.complete == 1 then
  if not watches then new.flags = PLACELESS end
  return finish(consume(new, false))
end
if not watches then
  new.index = take_index()
  if count_arrived() + 1 == wanted then
    close(TRIPPED, '', '', 1)
    return finish(tell(new))
  end
end
redis.call('ZADD', parties, watches and -(now + LIVENESS) or now + LIVENESS, field)
grown = true
write_party(field, new)
return waits(new)
