-- What wait and leave do for a party whose generation is over. Uses what lib/barrier_state defines, and field, token, flags
-- and known: the caller's record, its token, its flags (l: it wants to lead) and the generation it was told.

-- Tells a party how its generation ended; that is known for a minute more, should the reply get lost.
local function tell(p)
  local c = read_closed(p.generation)
  if not has(p.flags, TOLD) then p.flags = p.flags + TOLD end
  p.mailbox, p.who = '', ''
  write_party(field, p)
  redis.call('ZREM', waking, field)
  redis.call('ZADD', settled, now + MINUTE, field)
  grown = true
  if c.outcome ~= TRIPPED then return {'broken', p.generation, c.why, c.who} end
  if c.leader == '' and string.find(flags, 'l', 1, true) then c.leader = field end
  local index = (has(p.flags, WATCHES) or has(p.flags, PLACELESS)) and -1 or p.index
  return {'passed', p.generation, index, c.leader == field and 1 or 0, c.parties, now - p.since}
end

-- Ends a generation that arrivals alone made complete, for the one that waits for it.
local function consume(p, in_line)
  close(TRIPPED, '', '', in_line and 0 or 1)
  return tell(p)
end

-- Whether the record of a closed generation is for this caller. A party that died before it was told and came back at
-- once is still the same party.
local function concerns(p)
  local c = read_closed(p.generation)
  if not c then return false end
  if p.token == token or p.generation == known then return true end
  return p.mailbox ~= '' and now - c.at < MINUTE
end
