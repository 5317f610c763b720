-- What changes a breaker. Uses: breaker, reporters, index (its keys), now (ms), now_us, token, name.
-- @include lib/breaker_state

-- The first write of a script frees something, so that it is let through when memory is out.
local function begin_writing()
  redis.call('HDEL', breaker, '')
end

local function store(b)
  local window, permits = {}, {}
  for i, bucket in ipairs(b.buckets) do window[i] = struct.pack(BUCKET, unpack(bucket)) end
  for i, permit in ipairs(b.permits) do permits[i] = struct.pack(PERMIT, unpack(permit)) end
  -- Unused, it is forgotten after a month; while it is open, a month after that.
  local last = b.state == OPEN and math.max(now, b.retry) or now
  local raise = last ~= math.huge and (b.expires == math.huge or b.expires < last + 29 * DAY)
  local persist = last == math.huge and b.expires ~= math.huge
  if raise then b.expires = last + 30 * DAY end
  if persist then b.expires = math.huge end
  redis.call('HSET', breaker, 's', struct.pack(STATE, LAYOUT, b.state, b.epoch, b.since, b.retry, b.expires, b.closed,
    b.row, b.successes, b.why, b.failures, b.calls, b.all_calls, b.all_failures, b.opened, b.token, #b.who, b.who),
    'w', table.concat(window), 'p', table.concat(permits), 't', b.told)
  if b.fresh then redis.call('ZADD', index, 'NX', now, name) end
  if raise then redis.call('PEXPIREAT', breaker, string.format('%.0f', b.expires)) end
  if persist then redis.call('PERSIST', breaker) end
end

-- Settings are stored at first use; later ones only when `reconfigure` says so, those that were given. Whether any were.
local function settle(b, given, which, reconfigure)
  local changed = b.unsettled
  for i = 1, 8 do
    if not b.unsettled and reconfigure and string.sub(which, i, i) == '1' and b.c[i] ~= given[i] then
      -- Buckets of another width are no window.
      if i == 4 then
        b.buckets, b.in_window, b.failed = {}, 0, 0
        redis.call('DEL', reporters)
      end
      b.c[i], changed = given[i], true
    end
  end
  if not changed then return false end
  redis.call('HSET', breaker, 'c', struct.pack(SETTINGS, unpack(b.c)))
  b.threshold, b.rate, b.min_calls, b.window, b.recovery, b.most, b.probes, b.min_reporters = unpack(b.c)
  b.width = math.ceil(b.window / BUCKETS)
  b.number = math.floor(now / b.width)
  b.unsettled = false
  return true
end

-- Into another state: a new epoch, for which no result of an earlier one counts.
local function turn(b, state)
  b.epoch = math.max(b.epoch + 1, now_us)
  b.state, b.since, b.token = state, now, token
  b.permits, b.successes = {}, 0
  if state ~= HALF_OPEN then b.buckets = {} end
end

-- Opens for the recovery time-out, twice as long each time in a row: after a failed probe, or when it had been closed for
-- less than a window.
local function open(b, why, who)
  local again = b.state == HALF_OPEN or (b.closed > 0 and now - b.closed < b.window)
  b.row = again and math.min(b.row + 1, 60) or 0
  b.why, b.who, b.failures, b.calls, b.opened = why, who, b.failed, b.in_window, b.opened + 1
  turn(b, OPEN)
  b.retry = now + math.min(b.recovery * 2 ^ b.row, math.max(b.recovery, b.most))
end

local function close(b, why, who)
  b.why, b.who = why, who
  if why == RESET then b.row, b.closed = 0, 0 else b.closed = now end
  turn(b, CLOSED)
  b.retry = 0
  redis.call('DEL', reporters)
end
