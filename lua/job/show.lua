--[[ job/show: what is known of the jobs of a run, a page at a time, or of one.
  KEYS[1]  jobs of the run
  ARGV[1]  name of the job; '' for all
  ARGV[2]  cursor of the page; 0 for the first
  Returns  {jobs, server ms, next cursor, times (name, dependencies, state, attempts, code, ends ms, asked ms, started ms, ended ms, culprit, who, token)}  the cursor is 0 after the last page
  Returns  {absent}  there is no such run
  Writes  no
  Retry  safe: it only reads
]]
local jobs = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/job_state
if redis.call('EXISTS', jobs) == 0 then return {'absent'} end
local cursor, names = '0', {}
if ARGV[1] ~= '' then
  names[1] = ARGV[1]
else
  local page = redis.call('HSCAN', jobs, ARGV[2], 'MATCH', 'j*', 'COUNT', 1000)
  cursor = page[1]
  for i = 1, #page[2], 2 do names[#names + 1] = string.sub(page[2][i], 2) end
end
local reply = {'jobs', now, cursor}
for _, name in ipairs(names) do
  local raw = redis.call('HMGET', jobs, 'j' .. name, 'd' .. name)
  local refused = other_layout(raw[1])
  if refused then return refused end
  if raw[1] then
    local j = read_job(raw[1])
    for _, value in ipairs({name, raw[2] or '', j.state, j.attempts, j.code, j.ends, j.asked, j.started, j.ended,
      j.culprit, j.who, j.token}) do
      reply[#reply + 1] = value
    end
  end
end
return reply
