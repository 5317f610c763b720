--[[ health/probe: which commands this user may not run from a script; leaves nothing behind.
  KEYS[1]  a key of its own, which nobody else uses
  ARGV[1..]  names of commands
  Returns  {probed, n times (command, what the server says)}  those that were refused
  Writes  yes
  Retry  safe: it changes nothing that stays
]]
local key, refused = KEYS[1], {'probed'}

local function is_refusal(said)
  for _, part in ipairs({'NOPERM', 'ACL failure', 'user executing the script', 'no permissions to', 'nknown'}) do
    if string.find(said, part, 1, true) then return true end
  end
  return false
end

-- With the key as every argument a command fails, or touches that key alone. How many it needs is tried: the
-- server counts them before it asks who calls.
for _, command in ipairs(ARGV) do
  local words, said = {command}, ''
  for _ = 1, 9 do
    local reply = redis.pcall(unpack(words))
    said = type(reply) == 'table' and reply.err or ''
    if not string.find(string.lower(said), 'wrong number of arg', 1, true) then break end
    words[#words + 1] = key
  end
  if is_refusal(said) then
    refused[#refused + 1] = command
    refused[#refused + 1] = said
  end
end
redis.pcall('DEL', key)
return refused
