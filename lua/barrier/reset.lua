--[[ barrier/reset: ends the open generation, whoever has arrived, and begins another; once for each request.
  KEYS[1]  barrier
  KEYS[2]  parties of the open generation
  KEYS[3]  those of ended ones that are still to be called
  KEYS[4]  those of ended ones that were called
  ARGV[1]  token of the request
  ARGV[2]  who resets, opaque
  Returns  {reset, generation, arrived, unsent...}  the generation that was ended, and how many had arrived; 0, 0 if there was none
  Writes  yes
  Retry  safe: the token finds what it did, for the last 16 requests
]]
-- @include lib/barrier_layout
local barrier, parties, waking, settled, token = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', barrier, 's', 'r')
local raw, requests = found[1], found[2] or ''
if not raw then return {'reset', 0, 0} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this barrier has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
for at = 1, #requests, 44 do
  if string.sub(requests, at, at + 31) == token then
    local generation, arrived = struct.unpack('<dI4', requests, at + 32)
    return {'reset', generation, arrived}
  end
end
-- @include lib/barrier_state
load_state(raw)
local generation, arrived = 0, 0
if redis.call('EXISTS', parties) == 1 then
  generation, arrived = st.generation, count_arrived()
  close(RESET, 'reset', ARGV[2], 0)
end
st.parties = 0
put('r', string.sub(requests, -15 * 44) .. token .. struct.pack('<dI4', generation, arrived))
wake_some()
save_state()
return send({'reset', generation, arrived})
