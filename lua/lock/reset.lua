--[[ lock/reset: begins to count anew: counters and histograms; those that hold now count as acquired.
  KEYS[1]  lock
  Returns  {reset}  they count from now on
  Returns  {absent}  there is no such lock
  Writes  yes
  Retry  safe: it only begins again
]]
-- @include lib/lock_layout
local lock = KEYS[1]
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
local raw = redis.call('HGET', lock, 's')
if not raw then return {'absent'} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this lock has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/lock_state
load_state(raw)
-- One that rests has been counted when it ended; one that is offered is when it is claimed.
local holding = 0
local all = redis.call('HGETALL', lock)
for i = 1, #all, 2 do
  if string.byte(all[i]) == 104 then
    local flags = string.byte(all[i + 1])
    if not has(flags, OFFERED) and not has(flags, RESTING) then holding = holding + 1 end
  end
end
st.acquired, st.contended, st.lost, st.timed_out, st.reset_at = holding, 0, 0, 0, now
unset[#unset + 1] = 'w'
unset[#unset + 1] = 'd'
save_state()
return {'reset'}
