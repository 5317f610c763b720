-- The ring of ended tokens: 32 of them, each for a minute, so that a request that the server runs after its client
-- gave up does nothing.
local function bury(ring, dead, now)
  ring = ring or ''
  local first = 1
  while first <= #ring and (#ring - first >= 31 * 40 or struct.unpack('<d', ring, first + 32) < now - MINUTE) do
    first = first + 40
  end
  return string.sub(ring, first) .. dead .. struct.pack('<d', now)
end
