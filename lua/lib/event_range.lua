-- Up to `most` events behind an id, fewer when they are large: entries as XRANGE answers, and whether there may be more.
-- Uses: events (key).
local function range(ms, n, most)
  local entries, bytes, page = {}, 0, 16
  while #entries < most do
    local want = math.min(page, most - #entries)
    local found = redis.call('XRANGE', events, '(' .. id_of(ms, n), '+', 'COUNT', want)
    for _, entry in ipairs(found) do
      entries[#entries + 1] = entry
      bytes = bytes + #entry[2][4]
    end
    if #found < want then return entries, 0 end
    if bytes > 1048576 then break end
    ms, n = parse_id(entries[#entries][1])
    page = math.max(1, math.min(500, math.floor((1048576 - bytes) / (bytes / #entries + 64))))
  end
  return entries, 1
end
