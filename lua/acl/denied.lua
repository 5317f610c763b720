--[[ acl/denied: which commands the user who asks may not run, so that no script stops half way for want of one.
  ARGV[1]  names of commands, with a space between two
  ARGV[2]  a key of the script that is to be run
  Returns  {denied, command...}  those that are not allowed; none on a server that cannot tell (Redis 6.2)
  Writes  no
  Retry  safe: it only reads
]]
local reply, any, key = {'denied'}, false, ARGV[2]
if not redis.acl_check_cmd then return reply end
for command in string.gmatch(ARGV[1], '%S+') do
  -- The server looks for keys among the arguments without having counted them: with fewer than a command needs it
  -- reads what is not there, and crashes. No command of ours needs more than three to tell its keys.
  local known, allowed = pcall(redis.acl_check_cmd, command, key, key, key)
  if known and not allowed then reply[#reply + 1] = command else any = true end
end
-- None at all: it is the key that is not allowed, or the script stops before it writes.
return any and reply or {'denied'}
