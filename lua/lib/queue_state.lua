-- The queue's state s: read, counted up, written. Uses: queue, now (ms), raw (as it was read).
local function load_state(raw)
  if raw then return {struct.unpack(STATE, raw)} end
  local fresh = {LAYOUT}
  for i = 2, LAST do fresh[i] = 0 end
  fresh[SINCE], fresh[MINUTE_AT] = now, now
  return fresh
end

-- How many items a limit on the length counts, and how many are neither done nor dead.
local function length(s) return s[READY] + s[LANED] + s[DELAYED] end
local function unsettled(s) return length(s) + s[FLIGHT] end

-- Of the minute that runs and the one before it, for rates.
local function count_up(s, total, minute, n)
  s[total] = s[total] + n
  if now >= s[MINUTE_AT] + MINUTE then
    local next_to_it = now < s[MINUTE_AT] + 2 * MINUTE
    s[BEFORE_PUSHED], s[BEFORE_DONE] = next_to_it and s[MINUTE_PUSHED] or 0, next_to_it and s[MINUTE_DONE] or 0
    s[MINUTE_AT], s[MINUTE_PUSHED], s[MINUTE_DONE] = now - now % MINUTE, 0, 0
  end
  s[minute] = s[minute] + n
end

local function save_state(s, ...)
  local packed = struct.pack(STATE, unpack(s, 1, LAST))
  -- A look of one in line changes nothing.
  if packed ~= raw or ... then redis.call('HSET', queue, 's', packed, ...) end
end
