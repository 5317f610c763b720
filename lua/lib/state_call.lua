-- Calls up to 200 of those that watched when the value changed; each that comes calls the next. Uses: calling (its key).
-- @include lib/mail
local function call_some()
  local mailboxes = redis.call('ZRANGE', calling, 0, 199)
  if #mailboxes == 0 then return end
  redis.call('ZREM', calling, unpack(mailboxes))
  for _, mailbox in ipairs(mailboxes) do mail(mailbox, 'look 0') end
end
