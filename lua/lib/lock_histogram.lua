-- A histogram of durations: sum and maximum in ms, then 24 counts; count i is of durations under 2^i ms.
local function record(histogram, ms)
  if ms < 0 then ms = 0 end
  local sum, most = 0, 0
  if histogram then
    sum, most = struct.unpack('<dd', histogram)
  else
    histogram = string.rep('\0', 16 + 24 * 4)
  end
  local bucket, bound = 0, 1
  while ms >= bound and bucket < 23 do
    bucket, bound = bucket + 1, bound * 2
  end
  local at = 17 + bucket * 4
  local count = struct.unpack('<I4', histogram, at)
  return struct.pack('<dd', sum + ms, math.max(most, ms)) .. string.sub(histogram, 17, at - 1) ..
    struct.pack('<I4', count + 1) .. string.sub(histogram, at + 4)
end
