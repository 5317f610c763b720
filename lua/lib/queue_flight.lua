-- Items on their way from the list to a consumer, as bytes. Uses what lib/queue_state defines, s, now, and the keys ready,
-- bodies and timers.
-- @include lib/queue_bundle

local function lower_due(at)
  if s[DUE] == 0 or at < s[DUE] then s[DUE] = at end
end

-- Takes up to `most` entries from the list, no more once they have so many bytes.
local function pop_entries(most, room_for)
  local entries, bytes = {}, 0
  while s[READY] > 0 and #entries < most and bytes < room_for do
    -- Small steps until it is known how large they are.
    local each = #entries > 0 and bytes / #entries + 1 or MOST_BYTES / 16
    local step = math.max(1, math.min(most - #entries, math.floor((room_for - bytes) / each)))
    local some = redis.call('LPOP', ready, step)
    if not some then
      s[READY] = 0
      break
    end
    s[READY] = s[READY] - #some
    for _, raw in ipairs(some) do
      entries[#entries + 1] = raw
      bytes = bytes + #raw
    end
  end
  return entries
end

-- The receipts of so many items that were taken together.
local function receipts_of(token, count)
  local receipts = {token}
  for i = 2, count do receipts[i] = token .. '.' .. i end
  return receipts
end

-- Whether any item but the first that a token took is in flight.
local function any_in_flight(token, most)
  for _, body in ipairs(redis.call('HMGET', bodies, unpack(receipts_of(token, most), 2))) do
    if body then return true end
  end
  return false
end

-- Puts entries in flight that end together, under one receipt.
local function put_bundle(token, entries, lease)
  local lengths, ends, receipt = {}, now + lease, '&' .. token
  for i, entry in ipairs(entries) do lengths[i] = #entry end
  redis.call('HSET', bodies, receipt, struct.pack(BUNDLE, now, #entries), entries_field(receipt),
    struct.pack('<' .. string.rep('I4', #entries), unpack(lengths)) .. table.concat(entries))
  redis.call('ZADD', timers, ends, receipt)
  s[FLIGHT] = s[FLIGHT] + #entries
  lower_due(ends)
end

-- Puts packed bodies in flight.
local function put_in_flight(receipts, packed, lease)
  local fields, scores, ends = {}, {}, now + lease
  for i, receipt in ipairs(receipts) do
    fields[2 * i - 1], fields[2 * i] = receipt, packed[i]
    scores[2 * i - 1], scores[2 * i] = ends, receipt
  end
  if #receipts > 32 then
    -- A small hash is searched from its start, for each field of many; one long value makes it a large one for good.
    fields[#fields + 1] = '-'
    fields[#fields + 1] = string.rep(' ', 65)
  end
  redis.call('HSET', bodies, unpack(fields))
  redis.call('ZADD', timers, unpack(scores))
  s[FLIGHT] = s[FLIGHT] + #receipts
  lower_due(ends)
end
