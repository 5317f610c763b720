-- Bundles: their receipts are & and the token of the take. Uses the key bodies.
local function is_bundle(receipt) return string.byte(receipt) == 38 end
local function entries_field(receipt) return '*' .. string.sub(receipt, 2) end

-- What rings keep of the token.
local function half_of(receipt)
  if is_bundle(receipt) then return string.sub(receipt, 2, 17) end
  return string.sub(receipt, 1, 16)
end

-- How many items are in it.
local function bundle_size(receipt)
  local _, size = struct.unpack(BUNDLE, redis.call('HGET', bodies, receipt))
  return size
end

-- The entries, as they stood in the list.
local function entries_of(receipt)
  local raw, entries = redis.call('HGET', bodies, entries_field(receipt)), {}
  local lengths = {struct.unpack('<' .. string.rep('I4', bundle_size(receipt)), raw)}
  local at = table.remove(lengths)
  for i, length in ipairs(lengths) do
    entries[i] = string.sub(raw, at, at + length - 1)
    at = at + length
  end
  return entries
end
