--[[ job/renew: raises the end of a running job's lease; never makes one, and touches nothing else.
  KEYS[1]  jobs of the run
  ARGV[1]  token
  ARGV[2]  name of the job
  ARGV[3]  TTL, ms
  Returns  {renewed, lease left ms, server ms}  held on
  Returns  {lost}  the lease has ended, or somebody else runs the job
  Writes  yes
  Retry  safe: it only raises
]]
local jobs, token, field, ttl = KEYS[1], ARGV[1], 'j' .. ARGV[2], tonumber(ARGV[3])
if not ttl then return redis.error_reply('MISUSE job/renew: the TTL is not a number') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/job_state
local found = redis.call('HMGET', jobs, field, 'k')
if not found[1] then return {'lost'} end
local refused = other_layout(found[1])
if refused then return refused end
local own = read_job(found[1])
if own.token ~= token or own.state ~= RUNNING or own.ends <= now then return {'lost'} end
own.ends = math.max(own.ends, now + ttl)
redis.call('HDEL', jobs, '')  -- freeing first: let through when memory is out
redis.call('HSET', jobs, field, pack_job(own))
-- A command may run for longer than its run is kept.
keep_until(jobs, own.ends, tonumber(found[2]) or MINUTE)
return {'renewed', own.ends - now, now}
