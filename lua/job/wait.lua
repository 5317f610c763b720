--[[ job/wait: whether jobs have come to their end; registers to be told if not.
  KEYS[1]  jobs of the run
  KEYS[2]  waiters
  KEYS[3]  who waits for whom
  ARGV[1]  token of the request; '' only asks
  ARGV[2]  mailbox of the request
  ARGV[3]  how long after its lease's end a running job counts as lost, ms
  ARGV[4]  j: one that waits with nobody there, or is not known, counts as lost, too; else ''
  ARGV[5..]  names of the jobs
  Returns  {done, unsent...}  all have succeeded or were skipped
  Returns  {failed, name, state, code, unsent...}  that one failed, or was lost
  Returns  {wait, look again in ms, pending n, unknown n, names..., unknown names..., unsent...}  n have not ended, some of which nobody has announced
  Writes  yes
  Retry  safe: asking twice registers once
]]
local jobs, waiters, watch, token, lost_after = KEYS[1], KEYS[2], KEYS[3], ARGV[1], tonumber(ARGV[3])
if not lost_after then return redis.error_reply('MISUSE job/wait: the time is not a number') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/job_state
local pending, unknown, finished, failed, look = {}, {}, {}, nil, next_look()
for _, name in ipairs({unpack(ARGV, 5)}) do
  local raw = redis.call('HGET', jobs, 'j' .. name)
  local refused = other_layout(raw)
  if refused then return refused end
  local other = raw and read_job(raw)
  local verdict, lost_at = judge('s', other, lost_after)
  if ARGV[4] == 'j' and not other then other, verdict = {state = 0, code = 0}, 'unmet' end
  if ARGV[4] == 'j' and other.state == WAITING then
    if other.ends <= now then verdict = 'unmet' else lost_at = other.ends end
  end
  if verdict == 'pending' then
    pending[#pending + 1] = name
    if not other then unknown[#unknown + 1] = name end
    if lost_at then look = math.min(look, math.max(1, lost_at - now)) end
  else
    finished[#finished + 1] = name
    if verdict == 'unmet' and not failed then failed = {'failed', name, other.state, other.code} end
  end
end
for _, name in ipairs(finished) do wake(watch, waiters, name) end
if failed or #pending == 0 then
  if token ~= '' then unregister(watch, waiters, token, pending) end
  return send(failed or {'done'})
end
if token ~= '' then
  register(watch, waiters, token, ARGV[2], pending)
  for _, key in ipairs({waiters, watch}) do
    if redis.call('PTTL', key) < 86400000 then redis.call('PEXPIRE', key, 2 * 86400000) end
  end
end
local reply = {'wait', look, #pending, #unknown}
for _, one in ipairs(pending) do reply[#reply + 1] = one end
for _, one in ipairs(unknown) do reply[#reply + 1] = one end
return send(reply)
