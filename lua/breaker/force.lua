--[[ breaker/force: what an operator wants: opens a breaker, for its recovery time-out or for a time, or closes it.
  KEYS[1]  breaker
  KEYS[2]  reporters of failures
  KEYS[3]  index of the bucket's breakers
  ARGV[1]  token of the request
  ARGV[2]  trip, hold or reset
  ARGV[3]  with hold: for how long, ms; -1 until it is reset
  ARGV[4]  who asks, opaque
  ARGV[5]  name of the breaker, for the index
  ARGV[6..]  default settings, as in breaker/allow, which are not stored
  Returns  {done, epoch, 0, state, next try ms, why, failures, calls, for ms, times in a row, who, settings 8}  done now, or by this request before
  Returns  {absent}  nothing is known of the breaker, so there is nothing to reset
  Writes  yes
  Retry  safe: the token of the latest change is known
]]
-- @include lib/breaker_layout
local breaker, reporters, index, token, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[5]
local length, given = tonumber(ARGV[3]), {}
for i, text in ipairs({unpack(ARGV, 6)}) do given[i] = tonumber(text) end
if not length or #given ~= 8 or #token ~= 32 then return redis.error_reply('MISUSE breaker/force: a number or the token is not one') end
local time = redis.call('TIME')
local now_us = time[1] * 1e6 + time[2]
local now = math.floor(now_us / 1000)
-- @include lib/breaker_write
local b, other = read_breaker(redis.call('HMGET', breaker, 's', 'c', 'w', 'p', 't'), given)
if not b then return other end
if b.fresh and ARGV[2] == 'reset' then return {'absent'} end
if b.token == token then return describe({'done', b.epoch, 0}, b) end
begin_writing()
if ARGV[2] == 'reset' then
  close(b, RESET, ARGV[4])
else
  local held = b.state == OPEN and b.why == HELD and b.retry or 0
  b.state, b.closed = CLOSED, 0  -- an operator's word is no failure in a row
  open(b, ARGV[2] == 'trip' and TRIPPED or HELD, ARGV[4])
  if ARGV[2] == 'hold' then
    b.retry = length < 0 and math.huge or now + length
  elseif held > b.retry then
    b.retry, b.why = held, HELD
  end
end
store(b)
return describe({'done', b.epoch, 0}, b)
