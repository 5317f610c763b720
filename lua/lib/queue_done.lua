-- Ends deliveries for good. Uses s, now, and the keys bodies and timers. Returns how many items that were, and which of
-- the receipts are not in flight any more.
-- @include lib/queue_bundle

local function finish_deliveries(receipts)
  local gone, n = {}, 0
  if #receipts == 1 and is_bundle(receipts[1]) then
    local header = redis.call('HGET', bodies, receipts[1])
    if not header then return 0, receipts end
    n = select(2, struct.unpack(BUNDLE, header))
    redis.call('HDEL', bodies, receipts[1], entries_field(receipts[1]))
    redis.call('ZREM', timers, receipts[1])
  elseif #receipts == 1 then
    if redis.call('HDEL', bodies, receipts[1]) == 0 then return 0, receipts end
    redis.call('ZREM', timers, receipts[1])
    n = 1
  else
    local live, entries = {}, {}
    local scores = redis.call('ZMSCORE', timers, unpack(receipts))
    for i, score in ipairs(scores) do
      local receipt = receipts[i]
      local list = score and live or gone
      list[#list + 1] = receipt
      if score and is_bundle(receipt) then
        entries[#entries + 1] = entries_field(receipt)
        n = n + bundle_size(receipt) - 1
      end
    end
    if #live == 0 then return 0, gone end
    n = n + #live
    redis.call('HDEL', bodies, unpack(live))
    if #entries > 0 then redis.call('HDEL', bodies, unpack(entries)) end
    redis.call('ZREM', timers, unpack(live))
  end
  s[FLIGHT] = s[FLIGHT] - n
  count_up(s, DONE, MINUTE_DONE, n)
  return n, gone
end
