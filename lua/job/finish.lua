--[[ job/finish: records the end of a running job, or gives up waiting for its dependencies, and wakes those that wait.
  KEYS[1]  jobs of the run
  KEYS[2]  waiters
  KEYS[3]  who waits for whom
  ARGV[1]  token
  ARGV[2]  name of the job
  ARGV[3]  3 succeeded, 4 failed; 0 gives up waiting
  ARGV[4]  exit code
  Returns  {finished, unsent...}  recorded, now or by an earlier request
  Returns  {left, unsent...}  it does not wait any more; what it was announced to depend on stays
  Returns  {lost}  the lease had ended, or somebody else runs the job: nothing was recorded
  Writes  yes
  Retry  safe: what is recorded stays recorded
]]
local jobs, waiters, watch, token, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local state, code = tonumber(ARGV[3]), tonumber(ARGV[4])
if not (state and code) then return redis.error_reply('MISUSE job/finish: a number is not one') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/job_state
local found = redis.call('HMGET', jobs, 'j' .. name, 'k', 't')
local refused = other_layout(found[1])
if refused then return refused end
local own = found[1] and read_job(found[1])
if state == 0 then
  redis.call('HDEL', waiters, token)
  -- A start that the server gets only now does nothing.
  if not string.find(found[3] or '', token, 1, true) then
    redis.call('HSET', jobs, 't', string.sub(found[3] or '', -(RING - 32)) .. token)
    keep_until(jobs, now, tonumber(found[2]) or MINUTE)
  end
  if own and own.token == token and (own.state == WAITING or own.state == RUNNING) then
    if own.state == RUNNING then own.attempts = own.attempts - 1 end  -- it never knew
    own.state, own.ends, own.token = WAITING, 0, ''
    redis.call('HSET', jobs, 'j' .. name, pack_job(own))
    wake(watch, waiters, name)
  end
  return send({'left'})
end
if not own or own.token ~= token then return {'lost'} end
if own.state == state and own.code == code then return {'finished'} end
if own.state ~= RUNNING or own.ends <= now then return {'lost'} end
own.state, own.code, own.ended, own.ends = state, code, now, now
redis.call('HDEL', jobs, '')  -- freeing first: let through when memory is out
redis.call('HSET', jobs, 'j' .. name, pack_job(own))
keep_until(jobs, now, tonumber(found[2]) or MINUTE)
wake(watch, waiters, name)
return send({'finished'})
