-- The ring of the last 32 requests that ended something, by half of their ids: an answer that was lost is given again,
-- and a take that the server runs after its client gave up does nothing.
local function ring_has(ring, request)
  local half = string.sub(request, 1, 16)
  return ring and string.find(ring, half, 1, true) ~= nil
end
local function ring_add(ring, request)
  return string.sub(ring or '', -31 * 16) .. string.sub(request, 1, 16)
end
