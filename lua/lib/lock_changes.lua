-- What happened to an election, for those that watch it: a stream of the latest 1,000 changes. Uses: changes (its
-- key, or nil for a lock), lock, now.
local term, noted = 0, {}
if changes then term = tonumber(redis.call('HGET', lock, 'n') or 0) end

local function note(what, h)
  if changes then noted[#noted + 1] = {what, term, h} end
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
