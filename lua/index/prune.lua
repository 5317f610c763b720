--[[ index/prune: takes names out of an index whose things are not there any more.
  KEYS[1]  index
  KEYS[2..]  the keys that the names stand for
  ARGV[1..]  the names
  Returns  {pruned, how many}
  Writes  yes
  Retry  safe: what is gone is gone
]]
local gone = 0
for i, name in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then gone = gone + redis.call('ZREM', KEYS[1], name) end
end
return {'pruned', gone}
