-- What is known of a breaker, as a table. Uses: breaker, reporters (its keys), now (ms).

-- Of the fields s, c, w, p and t; nil and an error reply when the layout is another one. `given` are the settings that
-- count until some are stored.
local function read_breaker(found, given)
  local b = {state = CLOSED, epoch = 0, since = 0, retry = 0, expires = 0, closed = 0, row = 0, successes = 0, why = 0,
    failures = 0, calls = 0, all_calls = 0, all_failures = 0, opened = 0, token = string.rep('0', 32), who = '',
    fresh = not found[1], unsettled = not found[2], c = given, buckets = {}, permits = {}, told = found[5] or ''}
  local raw, _ = found[1], nil
  if raw then
    if string.byte(raw) ~= LAYOUT then
      return nil, redis.error_reply('LAYOUT this breaker has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
    end
    _, b.state, b.epoch, b.since, b.retry, b.expires, b.closed, b.row, b.successes, b.why, b.failures, b.calls,
      b.all_calls, b.all_failures, b.opened, b.token, b.who = struct.unpack(STATE, raw)
  end
  if found[2] then
    b.c = {struct.unpack(SETTINGS, found[2])}
    b.c[9] = nil  -- what unpack adds: where it ended
  end
  b.threshold, b.rate, b.min_calls, b.window, b.recovery, b.most, b.probes, b.min_reporters = unpack(b.c)
  -- The sliding window: the current bucket and those before it that are not over. A clock that went back a little merges
  -- what is ahead of it into the current one.
  b.width = math.ceil(b.window / BUCKETS)
  b.number = math.floor(now / b.width)
  b.in_window, b.failed = 0, 0
  for at = 1, #(found[3] or ''), struct.size(BUCKET) do
    local number, calls, failures = struct.unpack(BUCKET, found[3], at)
    if number > b.number and number < b.number + BUCKETS then number = b.number end
    if number <= b.number and number > b.number - BUCKETS then
      local last = b.buckets[#b.buckets]
      if last and last[1] == number then
        last[2], last[3] = last[2] + calls, last[3] + failures
      else
        b.buckets[#b.buckets + 1] = {number, calls, failures}
      end
      b.in_window, b.failed = b.in_window + calls, b.failed + failures
    end
  end
  for at = 1, #(found[4] or ''), struct.size(PERMIT) do
    local token, ends = struct.unpack(PERMIT, found[4], at)
    if ends > now then b.permits[#b.permits + 1] = {token, ends} end
  end
  return b
end

-- When the next may try, in ms: 0 now, -1 not before somebody resets it.
local function next_try(b)
  if b.state == CLOSED then return 0 end
  if b.state == OPEN then return b.retry == math.huge and -1 or math.max(0, b.retry - now) end
  if #b.permits + b.successes < b.probes then return 0 end
  local first = math.huge
  for _, permit in ipairs(b.permits) do first = math.min(first, permit[2]) end
  return math.max(0, first - now)
end

-- Adds what all replies tell: state as of now, ms until the next try, why, failures and calls of the window when it
-- opened, ms in this state, times in a row, who; and the eight settings.
local function describe(reply, b)
  local state = b.state
  if state == OPEN and b.retry <= now then state = HALF_OPEN end
  for _, value in ipairs({state, next_try(b), b.why, b.failures, b.calls, math.max(0, now - b.since), b.row, b.who}) do
    reply[#reply + 1] = value
  end
  for i = 1, 8 do reply[#reply + 1] = b.c[i] end
  return reply
end
