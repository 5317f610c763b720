-- Ends deliveries for good. Uses s, now, and the keys bodies and timers. Returns how many there were, and which of
-- the receipts are not in flight any more.
local function finish_deliveries(receipts)
  local gone = {}
  if #receipts == 1 then
    if redis.call('HDEL', bodies, receipts[1]) == 0 then return 0, receipts end
    redis.call('ZREM', timers, receipts[1])
  else
    local live = {}
    local scores = redis.call('ZMSCORE', timers, unpack(receipts))
    for i, score in ipairs(scores) do
      local list = score and live or gone
      list[#list + 1] = receipts[i]
    end
    if #live == 0 then return 0, gone end
    redis.call('HDEL', bodies, unpack(live))
    redis.call('ZREM', timers, unpack(live))
  end
  local n = #receipts - #gone
  s[FLIGHT] = s[FLIGHT] - n
  count_up(s, DONE, MINUTE_DONE, n)
  return n, gone
end
