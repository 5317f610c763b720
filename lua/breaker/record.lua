--[[ breaker/record: counts how a call ended, once; opens or closes the breaker when that decides it.
  KEYS[1]  breaker
  KEYS[2]  reporters of failures
  KEYS[3]  index of the bucket's breakers
  ARGV[1]  token of the request that allowed the call, or of this one
  ARGV[2]  epoch in which it was allowed; '' for a call that nobody asked for
  ARGV[3]  success, failure or ignored (a probe gives its permit back)
  ARGV[4]  who reports: failures of so many different ones may be needed
  ARGV[5]  who asks, opaque
  ARGV[6]  name of the breaker, for the index
  ARGV[7]  1: the settings given replace those that are stored
  ARGV[8]  which settings were given, eight times 1 or 0; the others are defaults
  ARGV[9..]  settings, as in breaker/allow
  Returns  {counted, epoch, 1 this changed its state or 0, state, next try ms, why, failures, calls, for ms, times in a row, who, settings 8}  counted now, or before
  Returns  {late, epoch, 0, the same}  not counted: of an earlier epoch, or without a permit while it is not closed
  Writes  yes
  Retry  safe: the last 64 results are known
]]
-- @include lib/breaker_layout
local breaker, reporters, index, token, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[6]
local given = {}
for i, text in ipairs({unpack(ARGV, 9)}) do given[i] = tonumber(text) end
if #given ~= 8 or #token ~= 32 or (ARGV[2] ~= '' and not tonumber(ARGV[2])) then
  return redis.error_reply('MISUSE breaker/record: a number or the token is not one')
end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
-- @include lib/breaker_write
local b, other = read_breaker(redis.call('HMGET', breaker, 's', 'c', 'w', 'p', 't'), given)
if not b then return other end
if string.find(b.told, token, 1, true) then
  return describe({'counted', b.epoch, b.token == token and 1 or 0}, b)
end
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= b.epoch then return describe({'late', b.epoch, 0}, b) end
-- A probe that was interrupted before it knew of its permit gives it back, too.
local place
for i, permit in ipairs(b.permits) do
  if permit[1] == token then place = i end
end
if ARGV[2] == '' and b.state ~= CLOSED and not place then return describe({'late', b.epoch, 0}, b) end

begin_writing()
if b.fresh then turn(b, CLOSED) end
settle(b, given, ARGV[8], ARGV[7] == '1')
local before, failed = b.epoch, ARGV[3] == 'failure'
if place then table.remove(b.permits, place) end
if ARGV[3] ~= 'ignored' then
  b.told = string.sub(b.told, -(RING - 32)) .. token
  b.all_calls, b.all_failures = b.all_calls + 1, b.all_failures + (failed and 1 or 0)
  b.in_window, b.failed = b.in_window + 1, b.failed + (failed and 1 or 0)
end
local reporting = 0
if failed then
  redis.call('ZADD', reporters, now, ARGV[4])
  redis.call('ZREMRANGEBYSCORE', reporters, '-inf', string.format('(%.0f', (b.number - BUCKETS + 1) * b.width))
  redis.call('ZREMRANGEBYRANK', reporters, 0, -1001)
  redis.call('PEXPIREAT', reporters, string.format('%.0f', now + b.window + b.most + DAY))
  reporting = redis.call('ZCARD', reporters)
end
if ARGV[3] ~= 'ignored' and b.state == HALF_OPEN then
  b.successes = b.successes + (failed and 0 or 1)
  if failed then
    open(b, PROBE_FAILED, ARGV[5])
  elseif b.successes >= b.probes then
    close(b, RECOVERED, ARGV[5])
  end
elseif ARGV[3] ~= 'ignored' then
  local last = b.buckets[#b.buckets]
  if not last or last[1] ~= b.number then
    last = {b.number, 0, 0}
    b.buckets[#b.buckets + 1] = last
  end
  last[2], last[3] = last[2] + 1, last[3] + (failed and 1 or 0)
  local too_many = b.threshold > 0 and b.failed >= b.threshold
  local too_often = b.rate > 0 and b.in_window >= b.min_calls and b.failed * 100 >= b.rate * b.in_window
  if (too_many or too_often) and not failed then
    reporting = redis.call('ZCOUNT', reporters, string.format('%.0f', (b.number - BUCKETS + 1) * b.width), '+inf')
  end
  if (too_many or too_often) and reporting >= b.min_reporters then open(b, too_many and TOO_MANY or TOO_OFTEN, ARGV[5]) end
end
store(b)
return describe({'counted', b.epoch, b.epoch ~= before and 1 or 0}, b)
