--[[ breaker/allow: whether a call may be made now; at most so many probes at a time while it is found out whether calls succeed again.
  KEYS[1]  breaker
  KEYS[2]  reporters of failures
  KEYS[3]  index of the bucket's breakers
  ARGV[1]  token of the request
  ARGV[2]  how long a probe has its permit, ms
  ARGV[3]  name of the breaker, for the index
  ARGV[4]  1: the settings given replace those that are stored
  ARGV[5]  which settings were given, eight times 1 or 0; the others are defaults
  ARGV[6..]  settings: failures that open it (0: none), percentage of failures that opens it (0: none), calls needed for that, window ms, recovery ms, longest recovery ms, probes, reporters needed
  Returns  {allowed, epoch, 0, state, next try ms, why, failures, calls, for ms, times in a row, who, settings 8}  it is closed
  Returns  {probe, epoch, lease left ms, the same}  it is half-open, and this is one of its probes
  Returns  {refused, epoch, 0, the same}  it is open, or half-open and others probe
  Writes  yes
  Retry  safe: the token finds its permit again
]]
-- @include lib/breaker_layout
local breaker, reporters, index, token, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3]
local lease, given = tonumber(ARGV[2]), {}
for i, text in ipairs({unpack(ARGV, 6)}) do given[i] = tonumber(text) end
if not lease or #given ~= 8 or #token ~= 32 then return redis.error_reply('MISUSE breaker/allow: a number or the token is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
-- @include lib/breaker_state
local b, other = read_breaker(redis.call('HMGET', breaker, 's', 'c', 'w', 'p', 't'), given)
if not b then return other end
if b.state == CLOSED and not b.unsettled and ARGV[4] ~= '1' then return describe({'allowed', b.epoch, 0}, b) end
-- @include lib/breaker_write
if b.fresh or b.unsettled or ARGV[4] == '1' then
  begin_writing()
  if b.fresh then turn(b, CLOSED) end
  if settle(b, given, ARGV[5], ARGV[4] == '1') then store(b) end
end
if b.state == CLOSED then return describe({'allowed', b.epoch, 0}, b) end
-- The clock went back: what was to last so long lasts so long from now on.
if b.state == OPEN and b.since > now then
  b.retry, b.since = b.retry - (b.since - now), now
  begin_writing()
  store(b)
end
if b.state == OPEN and b.retry <= now then turn(b, HALF_OPEN) end
if b.state == OPEN then return describe({'refused', b.epoch, 0}, b) end
for _, permit in ipairs(b.permits) do
  if permit[1] == token then return describe({'probe', b.epoch, permit[2] - now}, b) end
end
if #b.permits + b.successes >= b.probes then return describe({'refused', b.epoch, 0}, b) end
b.permits[#b.permits + 1] = {token, now + lease}
begin_writing()
store(b)
return describe({'probe', b.epoch, lease}, b)
