-- Messages to mailboxes. Uses: MINUTE (ms).
local mails = {}

-- Messages go out last, when the state is written; see send.
local function mail(mailbox, text)
  mails[#mails + 1] = mailbox
  mails[#mails + 1] = text
end

-- Pushes the messages. While a slot migrates, a push may be refused after the state was written: what failed is
-- returned to the caller, who pushes it itself.
local function send(reply)
  for i = 1, #mails, 2 do
    local pushed = redis.pcall('RPUSH', mails[i], mails[i + 1])
    if type(pushed) == 'table' and pushed.err then
      reply[#reply + 1] = mails[i]
      reply[#reply + 1] = mails[i + 1]
    else
      redis.pcall('PEXPIRE', mails[i], MINUTE)
    end
  end
  return reply
end
