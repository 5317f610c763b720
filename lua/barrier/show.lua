--[[ barrier/show: what is known of a barrier, as of now and without changing anything.
  KEYS[1]  barrier
  KEYS[2]  parties of the open generation
  ARGV[1]  how many parties to list
  Returns  {absent, server ms}  never used, or idle for over a day
  Returns  {barrier, server ms, generation, parties, complete 1|0, arrived, waiting, only waiting, tripped, broken, dropped, last outcome, at ms, n times (arrived|watches, index, stays 1|0, waits 1|0, since ms, id, who)}  last outcome: 0 none, 1 tripped, 2 broken, 3 reset
  Writes  no
  Retry  safe: it only reads
]]
-- @include lib/barrier_layout
local barrier, parties, waking, settled = KEYS[1], KEYS[2], nil, nil
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local raw = redis.call('HGET', barrier, 's')
if not raw then return {'absent', now} end
if string.byte(raw) ~= LAYOUT then
  return redis.error_reply('LAYOUT this barrier has layout ' .. string.byte(raw) .. ', this dcoord knows ' .. LAYOUT)
end
-- @include lib/barrier_state
load_state(raw)
local arrived = count_arrived()
local watching = redis.call('ZCOUNT', parties, '-inf', '(' .. -now)
local waiting = redis.call('ZCOUNT', parties, '(' .. now, '(' .. FOR_EVER) + redis.call('ZCOUNT', parties, AND_WAITS, AND_WAITS)
local number = (arrived + watching > 0) and st.parties or 0
local reply = {'barrier', now, st.generation, number, st.complete, arrived, waiting, watching, st.tripped, st.broken,
  st.dropped, st.outcome, st.closed_at}
local most = math.min(tonumber(ARGV[1]) or 0, 10000)
local fields = redis.call('ZREVRANGEBYSCORE', parties, '+inf', '(' .. now, 'LIMIT', 0, most)
local others = redis.call('ZRANGEBYSCORE', parties, '-inf', '(' .. -now, 'LIMIT', 0, most - #fields)
for _, field in ipairs(others) do fields[#fields + 1] = field end
for first = 1, #fields, 5000 do
  local last = math.min(first + 4999, #fields)
  for i, party in ipairs(redis.call('HMGET', barrier, unpack(fields, first, last))) do
    if party then
      local p = read_party(party)
      for _, value in ipairs({has(p.flags, WATCHES) and 'watches' or 'arrived', p.index, has(p.flags, STAYS) and 1 or 0,
        p.mailbox ~= '' and 1 or 0, p.since, string.sub(fields[first + i - 1], 2), p.who}) do
        reply[#reply + 1] = value
      end
    end
  end
end
return reply
