--[[ job/mark: sets the state of a job that nobody runs, or removes its record.
  KEYS[1]  jobs of the run
  KEYS[2]  waiters
  KEYS[3]  who waits for whom
  KEYS[4]  index of the bucket's runs
  ARGV[1]  name of the job
  ARGV[2]  3 succeeded, 4 failed, 5 skipped; 0 removes it
  ARGV[3]  who asks, opaque
  ARGV[4]  name of the run, for the index
  ARGV[5]  how long the run is kept after its latest change, ms
  Returns  {marked, unsent...}  done; those that wait for it are told
  Returns  {running, who}  somebody runs it; nothing was changed
  Returns  {absent}  there is no such job to remove
  Writes  yes
  Retry  safe: marking twice is marking once
]]
local jobs, waiters, watch, name, state, keep = KEYS[1], KEYS[2], KEYS[3], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
if not (state and keep) then return redis.error_reply('MISUSE job/mark: a number is not one') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/job_state
local found = redis.call('HMGET', jobs, 'j' .. name, 'k')
local refused = other_layout(found[1])
if refused then return refused end
local own = found[1] and read_job(found[1])
keep = math.max(keep, tonumber(found[2]) or 0)
if own and own.state == RUNNING and own.ends > now then return {'running', own.who} end
if state == 0 then
  if not own then return {'absent'} end
  redis.call('HDEL', jobs, 'j' .. name, 'd' .. name)
  if redis.call('HINCRBY', jobs, 'n', -1) <= 0 then
    redis.call('DEL', jobs)
    redis.call('ZREM', KEYS[4], ARGV[4])
  end
else
  if not own then redis.call('HINCRBY', jobs, 'n', 1) end
  own = own or {attempts = 0, asked = now, started = 0, window = 0}
  own.state, own.code, own.ended, own.ends = state, state == FAILED and 1 or 0, now, now
  own.token, own.culprit, own.who = '', '', ARGV[3]
  redis.call('ZADD', KEYS[4], 'NX', now, ARGV[4])
  redis.call('HSET', jobs, 'j' .. name, pack_job(own), 'k', string.format('%.0f', keep))
  keep_until(jobs, now, keep)
end
wake(watch, waiters, name)
return send({'marked'})
