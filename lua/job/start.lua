--[[ job/start: starts a job when all that it depends on has come to its end; a job runs once in its run.
  KEYS[1]  jobs of the run
  KEYS[2]  waiters
  KEYS[3]  who waits for whom
  KEYS[4]  index of the bucket's runs
  ARGV[1]  token of the request
  ARGV[2]  name of the job
  ARGV[3]  TTL, ms
  ARGV[4]  flags: g again though it is done; f fail, k skip or r run when a dependency comes to another end than wanted
  ARGV[5]  mailbox of the request
  ARGV[6]  who asks, opaque
  ARGV[7]  name of the run, for the index
  ARGV[8]  how long the run is kept after its latest change, ms
  ARGV[9]  length of a window in which it is to succeed once, ms; or 0
  ARGV[10] how long after its lease's end a running dependency counts as lost, ms
  ARGV[11] dependencies: lines of a kind (s success, a any end, f failure), a space and a name
  Returns  {granted, lease left ms, attempt, unsent...}  it runs now, under that lease
  Returns  {wait, look again in ms, server ms, pending n, unknown n, names..., unknown names..., unsent...}  it depends on n jobs, some of which nobody has announced
  Returns  {dependency, name, state, code, unsent...}  that one came to another end than wanted, which is this job's end too
  Returns  {running, who, waits 1|0, for ms, unsent...}  somebody else runs it, or waits for its dependencies
  Returns  {done, state, code}  it has succeeded or was skipped before
  Returns  {cycle, names...}  it would wait for itself; nothing was changed
  Returns  {full}  the run has 10,000 jobs
  Returns  {gone}  this request has given up before
  Writes  yes
  Retry  safe: the token finds its job again
]]
local jobs, waiters, watch, token, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local ttl, keep, window, lost_after = tonumber(ARGV[3]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
if not (ttl and keep and window and lost_after) then return redis.error_reply('MISUSE job/start: a number is not one') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- @include lib/job_state
local raw = redis.call('HMGET', jobs, 'j' .. name, 'd' .. name, 'n', 'k', 't', 'r' .. name)
local refused = other_layout(raw[1])
if refused then return refused end
local own = raw[1] and read_job(raw[1])
keep = math.max(keep, tonumber(raw[4]) or 0)
local current = window > 0 and math.floor(now / window) or 0
local flags = ARGV[4]

if string.find(raw[5] or '', token, 1, true) then return {'gone'} end
if own and own.token == token and own.state == RUNNING and own.ends > now then
  own.ends = math.max(own.ends, now + ttl)
  redis.call('HSET', jobs, 'j' .. name, pack_job(own))
  return {'granted', own.ends - now, own.attempts}
end
if own and own.token == token and own.culprit ~= '' and own.state == FAILED then
  local culprit = redis.call('HGET', jobs, 'j' .. own.culprit)
  local other = culprit and read_job(culprit)
  return {'dependency', own.culprit, other and other.state or 0, other and other.code or 0}
end
if own and own.token ~= token and (own.state == RUNNING or own.state == WAITING) and own.ends > now then
  if own.state == WAITING and own.ends - LIVENESS + SIGN < now and own.ends > now + WINDOW then
    -- It has not looked for a while: if it does not now, its place is free.
    own.ends = now + WINDOW
    redis.call('HSET', jobs, 'j' .. name, pack_job(own))
    local mailbox = string.match(redis.call('HGET', waiters, own.token) or '', '^%d+ (.*)$')
    if mailbox then mail(mailbox, 'look 0') end
  end
  return send({'running', own.who, own.state == WAITING and 1 or 0,
    now - (own.state == WAITING and own.asked or own.started)})
end
local done = own and (own.state == SUCCEEDED or own.state == SKIPPED)
if done and own.window == current and not string.find(flags, 'g', 1, true) then
  return {'done', own.state, own.code}
end
if not own and (tonumber(raw[3]) or 0) >= MOST_JOBS then return {'full'} end

-- Edges stay once they were announced.
local edges, known, added = split_edges(raw[2]), {}, {}
for _, edge in ipairs(edges) do known[edge[1] .. edge[2]] = true end
for _, edge in ipairs(split_edges(ARGV[11])) do
  if not known[edge[1] .. edge[2]] then
    known[edge[1] .. edge[2]] = true
    edges[#edges + 1], added[#added + 1] = edge, edge[2]
  end
end
-- Would it wait for itself? From the new edges on, level by level, until its own name comes up; it cannot, where nobody
-- has announced to wait for it.
local came_from, level = {}, {}
for _, other in ipairs(added) do
  if not came_from[other] then came_from[other], level[#level + 1] = name, other end
end
while raw[6] and #level > 0 and not came_from[name] do
  local fields = {}
  for i, other in ipairs(level) do fields[i] = 'd' .. other end
  local above = {}
  for first = 1, #fields, 5000 do
    for _, text in ipairs(redis.call('HMGET', jobs, unpack(fields, first, math.min(first + 4999, #fields)))) do
      above[#above + 1] = text
    end
  end
  local next_level = {}
  for i, other in ipairs(level) do
    for _, edge in ipairs(split_edges(above[i])) do
      if not came_from[edge[2]] then came_from[edge[2]], next_level[#next_level + 1] = other, edge[2] end
    end
  end
  level = next_level
end
if came_from[name] then
  local path, at = {name}, came_from[name]
  while at ~= name do
    table.insert(path, 1, at)
    at = came_from[at]
  end
  table.insert(path, 1, name)
  table.insert(path, 1, 'cycle')
  return path
end

-- What the dependencies come to.
local names, pending, unknown, culprit, look = {}, {}, {}, nil, next_look()
for i, edge in ipairs(edges) do names[i] = 'j' .. edge[2] end
local states = {}
for first = 1, #names, 5000 do
  for _, one in ipairs(redis.call('HMGET', jobs, unpack(names, first, math.min(first + 4999, #names)))) do
    states[#states + 1] = one
  end
end
local finished = {}
for i, edge in ipairs(edges) do
  local other = states[i] and read_job(states[i])
  local verdict, lost_at = judge(edge[1], other, lost_after)
  if verdict == 'pending' then
    pending[#pending + 1] = edge[2]
    if not other then unknown[#unknown + 1] = edge[2] end
    if lost_at then look = math.min(look, math.max(1, lost_at - now)) end
  else
    finished[#finished + 1] = edge[2]
    if verdict == 'unmet' and not culprit then culprit = {edge[2], other.state, other.code} end
  end
end
if string.find(flags, 'r', 1, true) then culprit = nil end

local fresh = not own
own = own or {attempts = 0, asked = now}
if own.token ~= token then own.asked = now end
own.code, own.started, own.ended, own.culprit = 0, 0, 0, ''
own.token, own.who, own.window = token, ARGV[6], current
local reply
if culprit then
  own.state = string.find(flags, 'k', 1, true) and SKIPPED or FAILED
  own.code, own.culprit, own.ended, own.ends = 76, culprit[1], now, now
  reply = {'dependency', culprit[1], culprit[2], culprit[3]}
elseif #pending > 0 then
  own.state, own.ends = WAITING, now + LIVENESS
  reply = {'wait', look, now, #pending, #unknown}
  for _, one in ipairs(pending) do reply[#reply + 1] = one end
  for _, one in ipairs(unknown) do reply[#reply + 1] = one end
else
  own.state, own.ends, own.started, own.attempts = RUNNING, now + ttl, now, own.attempts + 1
  reply = {'granted', ttl, own.attempts}
end
redis.call('HSET', jobs, 'j' .. name, pack_job(own), 'k', string.format('%.0f', keep))
if fresh then
  redis.call('HINCRBY', jobs, 'n', 1)
  redis.call('ZADD', KEYS[4], 'NX', now, ARGV[7])
end
if #added > 0 then
  local lines, awaited = {}, {}
  for i, edge in ipairs(edges) do lines[i] = edge[1] .. ' ' .. edge[2] end
  redis.call('HSET', jobs, 'd' .. name, table.concat(lines, '\n'))
  for _, other in ipairs(added) do
    awaited[#awaited + 1] = 'r' .. other
    awaited[#awaited + 1] = ''
  end
  for i = 1, #awaited, 5000 do redis.call('HSET', jobs, unpack(awaited, i, math.min(i + 4999, #awaited))) end
end
if #pending > 0 and not culprit then
  register(watch, waiters, token, ARGV[5], pending)
else
  unregister(watch, waiters, token, pending)
end
-- A job that many wait for wakes 500 of them; those wake the next.
for _, one in ipairs(finished) do wake(watch, waiters, one) end
if culprit then wake(watch, waiters, name) end
for _, key in ipairs({jobs, waiters, watch}) do keep_until(key, math.max(own.ends, now), keep) end
return send(reply)
