--[[ breaker/status: what is known of a breaker, as of now and without changing anything.
  KEYS[1]  breaker
  KEYS[2]  reporters of failures
  ARGV[1]  how many reporters to tell at most
  Returns  {breaker, epoch, server ms, state, next try ms, why, failures, calls, for ms, times in a row, who, settings 8, calls and failures in the window, probes out, probes succeeded, opened, all calls, all failures, reporters n, times (reporter, ms of its last failure)}  the latest reporters first
  Returns  {absent}  nothing is known of it: it would let calls through
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/breaker_layout
local breaker, reporters = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/breaker_state
local found = redis.call('HMGET', breaker, 's', 'c', 'w', 'p', 't')
if not found[1] then return {'absent'} end
local b, other = read_breaker(found, {0, 0, 0, 1, 0, 0, 0, 0})
if not b then return other end
local since = b.state == CLOSED and string.format('%.0f', (b.number - BUCKETS + 1) * b.width) or '-inf'
local reply = describe({'breaker', b.epoch, now}, b)
for _, value in ipairs({b.in_window, b.failed, #b.permits, b.successes, b.opened, b.all_calls, b.all_failures,
  redis.call('ZCOUNT', reporters, since, '+inf')}) do
  reply[#reply + 1] = value
end
for _, value in ipairs(redis.call('ZREVRANGEBYSCORE', reporters, '+inf', since, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))) do
  reply[#reply + 1] = value
end
return reply
