-- The consumers in line, and word to those that end when nothing is left. Uses s, now, and the keys line and waiters.
-- @include lib/mail

local WAITER = '<dI2I2BBc0I2c0I2c0'
local function read_waiter(raw)
  local w, flags = {}, nil
  w.deadline, w.most, w.attempts, flags, w.lane, w.mailbox, w.who = struct.unpack(WAITER, raw)
  w.steals, w.ends = flags % 2 == 1, flags >= 2
  return w
end

-- If nothing is left that could become ready, though `before` items were: tells those among the first 100 in line that
-- wait for this. Others see it at their next look.
local function tell_drained(before)
  if s[ENDERS] == 0 or before == 0 or unsettled(s) > 0 then return end
  local tokens = redis.call('ZRANGE', line, 0, 99)
  if #tokens == 0 then return end
  for _, raw in ipairs(redis.call('HMGET', waiters, unpack(tokens))) do
    local w = raw and read_waiter(raw)
    if w and w.ends then mail(w.mailbox, 'look 0') end
  end
end
