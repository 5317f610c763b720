--[[ barrier/arrive: counts a party as arrived, for good, without waiting; the same token or id never counts twice.
  KEYS[1]  barrier
  KEYS[2]  parties of the open generation
  KEYS[3]  those of ended ones that are still to be called
  KEYS[4]  those of ended ones that were called
  KEYS[5]  index of the bucket's barriers
  ARGV[1]  token of the request
  ARGV[2]  id of the party
  ARGV[3]  how many have to arrive
  ARGV[4]  who asks, opaque
  ARGV[5]  name of the barrier, for the index
  Returns  {arrived, generation, index, arrived, parties, unsent...}  counted; once
  Returns  {complete, generation, parties, unsent...}  all had arrived before, and nobody has waited for them yet
  Returns  {parties, parties, unsent...}  the others come for another number
  Returns  {again, unsent...}  more dead than one call drops: ask again
  Returns  {gone}  its party came again with another token after it
  Writes  yes
  Retry  safe: the token finds its arrival
]]
-- @include lib/barrier_layout
local barrier, parties, waking, settled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, field, wanted = ARGV[1], 'p' .. ARGV[2], tonumber(ARGV[3])
if not wanted then return redis.error_reply('MISUSE barrier/arrive: the number of parties is not one') end
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
load_state(raw)
local own = found[3] and read_party(found[3])

local function finish(reply)
  wake_some()
  prune()
  save_state()
  return send(reply)
end

-- A party of the open generation that came again. If it waits, its arrival stays from now on.
if own and own.generation == st.generation then
  if st.parties == wanted then
    if not has(own.flags, STAYS) then
      own.flags, own.token, st.staying = own.flags + STAYS, token, st.staying + 1
      redis.call('ZADD', parties, AND_WAITS, field)
      write_party(field, own)
    end
    return finish({'arrived', st.generation, own.index, count_arrived(), wanted})
  end
  if redis.call('ZCARD', parties) > 1 then return {'parties', st.parties} end
  take_out(field, own)
  redis.call('ZREM', parties, field)
  own = nil
end

if own then
  if own.token == token then
    local ended = read_closed(own.generation)
    if ended then return {'arrived', own.generation, own.index, ended.parties, ended.parties} end
  end
  supersede(own)
  redis.call('ZREM', waking, field)
  redis.call('ZREM', settled, field)
  forget_some(own.generation, 1)
end

if purge() then return finish({'again'}) end
start_over_if_empty()
if st.parties ~= wanted and st.parties > 0 then return finish({'parties', st.parties}) end
if st.complete == 1 then return finish({'complete', st.generation, wanted}) end
st.parties = wanted
if not raw then redis.call('ZADD', KEYS[5], 'NX', now, ARGV[5]) end
local new = {flags = STAYS, generation = st.generation, since = now, index = take_index(), token = token, mailbox = '',
  who = ARGV[4]}
local arrived = count_arrived() + 1
if arrived == wanted and redis.call('ZCOUNT', parties, '(' .. now, '(' .. FOR_EVER) > 0 then
  close(TRIPPED, '', '', 1)
  new.flags = STAYS + TOLD
  redis.call('ZADD', settled, now + MINUTE, field)
else
  redis.call('ZADD', parties, FOR_EVER, field)
  st.staying = st.staying + 1
  if arrived == wanted then
    -- Whoever waits for it and comes first ends it: one that died must not have had it.
    st.complete = 1
    for _, range in ipairs({{'-inf', '(' .. -now}, {AND_WAITS, AND_WAITS}}) do
      local waiting = redis.call('ZRANGEBYSCORE', parties, range[1], range[2], 'LIMIT', 0, 100)
      for _, other in ipairs(#waiting > 0 and redis.call('HMGET', barrier, unpack(waiting)) or {}) do
        if other then mail(read_party(other).mailbox, 'look 0') end
      end
    end
  end
end
grown = true
write_party(field, new)
return finish({'arrived', new.generation, new.index, arrived, wanted})
