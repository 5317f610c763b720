-- How ready items get to the consumers in line. Uses what lib/queue_flow defines and uses, and the keys line and waiters.
-- @include lib/queue_drained

local function leave_line(tokens)
  if #tokens == 0 then return end
  for _, raw in ipairs(s[ENDERS] > 0 and redis.call('HMGET', waiters, unpack(tokens)) or {}) do
    if raw and read_waiter(raw).ends then s[ENDERS] = s[ENDERS] - 1 end
  end
  s[WAITERS] = s[WAITERS] - redis.call('ZREM', line, unpack(tokens))
  redis.call('HDEL', waiters, unpack(tokens))
  s[TOLD] = 0
end

-- The first 100 in line, with false for a record that is missing.
local function read_line()
  local tokens = redis.call('ZRANGE', line, 0, 99)
  if #tokens == 0 then
    s[WAITERS], s[ENDERS] = 0, 0
    return tokens, {}
  end
  local records = redis.call('HMGET', waiters, unpack(tokens))
  for i, raw in ipairs(records) do records[i] = raw and read_waiter(raw) end
  return tokens, records
end

-- Hands ready items to those in line, in order: an offer that must be claimed within a window. The caller, if it is
-- in line, gets its items returned instead. At most 100 are looked at, and 250 items handed out; whoever is next then goes on.
local function serve(caller)
  if s[WAITERS] == 0 or s[READY] + s[LANED] == 0 then return nil end
  local tokens, records = read_line()
  local leaving, mine, given = {}, nil, 0
  for i, token in ipairs(tokens) do
    local w = records[i]
    if token ~= caller and (not w or w.deadline <= now) then
      leaving[#leaving + 1] = token
    elseif lapsed and token ~= caller then
      -- Somebody in line did not answer: those behind are asked, and whoever comes has its place again.
      mail(w.mailbox, 'look 0')
      leaving[#leaving + 1] = token
    elseif s[READY] + s[LANED] > 0 and w and given < MOST_MOVED then
      local items = pick(w.lane, w.steals, math.min(w.most, MOST_MOVED - given), w.attempts)
      given = given + #items
      if #items > 0 then
        leaving[#leaving + 1] = token
        if token == caller then
          mine = items
        else
          deliver(token, items, CLAIM_WINDOW, OFFERED)
          mail(w.mailbox, 'claim')
        end
      end
    end
  end
  leave_line(leaving)
  return mine
end

-- Successor rule: whoever is first in line is told when to look, if that is earlier than it would by itself (TOLD).
local function tell_first(caller)
  if s[WAITERS] == 0 then return end
  local more = s[READY] > 0 or (s[DUE] > 0 and s[DUE] <= now)
  if not more and (s[DUE] == 0 or (s[TOLD] > now and s[TOLD] <= s[DUE])) then return end
  local token = redis.call('ZRANGE', line, 0, 0)[1]
  local raw = token and redis.call('HGET', waiters, token)
  s[TOLD] = s[DUE]
  if not raw or token == caller then return end
  local w = read_waiter(raw)
  local looks = w.deadline - LIVENESS
  if not more and looks > now and looks <= s[DUE] + 1 then
    s[TOLD] = math.min(looks, s[DUE])
  else
    mail(w.mailbox, 'look ' .. (more and 0 or s[DUE] - now + 1))
  end
end
