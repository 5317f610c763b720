-- The records of one run's jobs. Uses: jobs (its hash), now (ms).
local LAYOUT = 1
-- layout, state, attempts, exit code, end of the lease or of the waiter's life, asked, started, ended, window;
-- token, culprit, who
local JOB = '<BBI4i4dddddI2c0I2c0I2c0'
local WAITING, RUNNING, SUCCEEDED, FAILED, SKIPPED = 1, 2, 3, 4, 5
-- So often a waiter looks, so long it lives without; who wants a waiter's place asks it for a sign of life within the window.
local HEARTBEAT, LIVENESS, SIGN, WINDOW = 30000, 75000, 10000, 5000
local MINUTE, SLICE = 60000, 500
local MOST_JOBS, RING = 10000, 64 * 32
-- @include lib/mail

local function read_job(raw)
  local j = {}
  j.layout, j.state, j.attempts, j.code, j.ends, j.asked, j.started, j.ended, j.window, j.token, j.culprit, j.who =
    struct.unpack(JOB, raw)
  return j
end

local function pack_job(j)
  return struct.pack(JOB, LAYOUT, j.state, j.attempts, j.code, j.ends, j.asked, j.started, j.ended, j.window, #j.token,
    j.token, #j.culprit, j.culprit, #j.who, j.who)
end

-- A script that meets another layout refuses: {err = ...}, else nil.
local function other_layout(raw)
  if raw and string.byte(raw) ~= LAYOUT then
    return redis.error_reply('LAYOUT this job has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
  end
end

-- What a dependency of a kind (s success, a any end, f failure) comes to: 'met', 'unmet' or 'pending', and for a
-- running one the moment from which on it counts as lost.
local function judge(kind, j, lost_after)
  if not j or j.state == WAITING then return 'pending' end
  if j.state == RUNNING then
    local lost_at = j.ends + lost_after
    if now < lost_at then return 'pending', lost_at end
    return kind == 's' and 'unmet' or 'met'
  end
  local succeeded = j.state ~= FAILED
  if kind == 'a' or (kind == 's') == succeeded then return 'met' end
  return 'unmet'
end

-- Asks up to 500 of those that wait for a job to look again; the woken ask the next 500. The dead wake nobody, so
-- they are passed over.
local function wake(watch, waiters, name)
  local called = 0
  repeat
    local members = redis.call('ZRANGEBYLEX', watch, '[' .. name .. '\0', '(' .. name .. '\1', 'LIMIT', 0, SLICE)
    if #members == 0 then return end
    local tokens = {}
    for i, member in ipairs(members) do tokens[i] = string.sub(member, #name + 2) end
    redis.call('ZREM', watch, unpack(members))
    for i, waiter in ipairs(redis.call('HMGET', waiters, unpack(tokens))) do
      local lives_until, mailbox = string.match(waiter or '', '^(%d+) (.*)$')
      if mailbox and tonumber(lives_until) > now then
        mail(mailbox, 'look 0')
        called = called + 1
      elseif mailbox then
        redis.call('HDEL', waiters, tokens[i])
      end
    end
  until called > 0
end

-- When a waiter looks again: not all that came at once look at once for ever.
local function next_look()
  return HEARTBEAT - now % 5000
end

-- Registers the caller to be woken by each of the names.
local function register(watch, waiters, token, mailbox, names)
  redis.call('HSET', waiters, token, string.format('%.0f %s', now + LIVENESS, mailbox))
  local members = {}
  for _, name in ipairs(names) do
    members[#members + 1] = 0
    members[#members + 1] = name .. '\0' .. token
  end
  for i = 1, #members, 5000 do
    redis.call('ZADD', watch, unpack(members, i, math.min(i + 4999, #members)))
  end
end

local function unregister(watch, waiters, token, names)
  local members = {}
  for i, name in ipairs(names) do members[i] = name .. '\0' .. token end
  for i = 1, #members, 5000 do redis.call('ZREM', watch, unpack(members, i, math.min(i + 4999, #members))) end
  redis.call('HDEL', waiters, token)
end

-- What is stored of the run is kept for so long after `at`; only ever longer.
local function keep_until(key, at, keep)
  if redis.call('PTTL', key) < at + keep - now then redis.call('PEXPIREAT', key, string.format('%.0f', at + keep)) end
end

-- "s a\nf b": kinds and names.
local function split_edges(text)
  local edges = {}
  for kind, name in string.gmatch(text or '', '(%a) ([^\n]+)') do edges[#edges + 1] = {kind, name} end
  return edges
end
