-- Word to producers that wait for room. Uses s, and the key room.
-- @include lib/mail

-- When the queue has become shorter than it was: calls as many as there is room for, ten at most. Others, and those
-- behind one that died, look again by themselves.
local function tell_room(before)
  local free = before - length(s)
  if s[PUSHERS] == 0 or free <= 0 then return end
  local mailboxes = redis.call('ZRANGE', room, 0, math.min(free, 10) - 1)
  if #mailboxes == 0 then
    s[PUSHERS] = 0
    return
  end
  s[PUSHERS] = s[PUSHERS] - redis.call('ZREM', room, unpack(mailboxes))
  for _, mailbox in ipairs(mailboxes) do mail(mailbox, 'look 0') end
end
