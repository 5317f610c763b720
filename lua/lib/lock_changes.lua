-- What happened to a lock: the latest of it goes to its log; and of an election all of it to a stream of the latest
-- 1,000 changes, for those that watch it. Uses: changes (the stream's key, or nil for a lock), lock, now.
-- @include lib/lock_log
local term, noted, log_changed = 0, {}, false
local log = nil
if changes then term = tonumber(redis.call('HGET', lock, 'n') or 0) end

-- An act of an operator, whom `by` names, is logged as `logged_as`.
local function note(what, h, logged_as, by)
  if changes then noted[#noted + 1] = {what, term, h} end
  local code = logged_as or (what == 'resigned' and RELEASED) or (what == 'lost' and LOST)
  if not code or math.floor(h.flags / NESTED) % 2 == 1 then return end
  log = add_to_log(log or redis.call('HGET', lock, 'l'), code, h.since, now, h.fence, h.who, by or '')
  log_changed = true
end

-- After everything else is written.
local function write_changes(expires)
  for _, one in ipairs(noted) do
    redis.call('XADD', changes, 'MAXLEN', 1000, '*', 'what', one[1], 'term', string.format('%.0f', one[2]), 'fence',
      string.format('%.0f', one[3].fence), 'at', string.format('%.0f', now), 'who', one[3].who)
  end
  -- A renewal raises the lock's expiry alone; whoever watches a leader of a month asks for the rest.
  if #noted > 0 then redis.call('PEXPIREAT', changes, string.format('%.0f', math.max(expires, now + 30 * DAY))) end
end
