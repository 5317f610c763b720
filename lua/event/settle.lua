--[[ event/settle: ends deliveries to a member of a group: handled, or given back.
  KEYS[1]  group
  KEYS[2]  timers of the group
  ARGV[1]  id of this request
  ARGV[2]  what becomes of them: done, retry, or untried (given back as if never taken)
  ARGV[3]  given back: when others may have them, ms from now
  ARGV[4..]  receipts, 500 at most
  Returns  {settled, how many}  the rest was not in flight any more: its lease ended and another member has it
  Returns  {again}  this request was answered before
  Writes  yes
  Retry  safe: the request is remembered
]]
-- @include lib/event_layout
local group, timers, fate, pause = KEYS[1], KEYS[2], ARGV[2], tonumber(ARGV[3])
if not pause or #ARGV < 4 or #ARGV > 503 or not (fate == 'done' or fate == 'retry' or fate == 'untried') then
  return redis.error_reply('MISUSE event/settle: not what the header says')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', group, 's', 't')
local raw, ring = found[1], found[2]
if raw and string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this group has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/queue_ring
-- @include lib/event_group
if ring_has(ring, ARGV[1]) then return {'again'} end
local s, settled = read_group(raw), 0
for i = 4, #ARGV do
  local body = redis.call('HGET', group, ARGV[i])
  if body then
    settled = settled + 1
    redis.call('HDEL', group, ARGV[i])
    redis.call('ZREM', timers, ARGV[i])
    if fate == 'done' then
      s.done = s.done + 1
    else
      local item = read_body(body)
      local again = string.format('+%.0f-%.0f', item.ms, item.n)
      if fate == 'retry' then item.attempts = item.attempts + 1 end
      redis.call('HSET', group, again, pack_body(item, 1, 0, ''))
      redis.call('ZADD', timers, now + pause, again)
      s.returned = s.returned + 1
    end
  end
end
if settled > 0 then save_group(s, 't', ring_add(ring, ARGV[1])) end
return {'settled', settled}
