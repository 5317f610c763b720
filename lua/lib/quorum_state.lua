-- A lock that several servers keep: a lock without slots whose limit is QUORUM, so that whoever takes it for one that this
-- server keeps alone is refused while it is in use. A vote is an offered entry, a hold any other. Uses what
-- lib/lock_line does, and servers: which ones keep it, as the caller sees it.
local QUORUM = 4294967295

-- `kept`: the list of servers that is stored. When the lock is in use and kept otherwise, by which servers, '' for this
-- one alone; else nil.
local function kept_otherwise(raw, kept)
  load_state(raw)
  local by = st.limit == QUORUM and kept or ''
  local other = raw and by ~= servers
  if st.limit == QUORUM then st.limit = 0 end
  slots = ''
  purge()
  if other or not raw then put('q', servers) end
  if not other then return nil end
  local dead = {}
  for _, one in ipairs(st.waiters > 0 and read_line(0, 100) or {}) do
    if not one.record or one.record.deadline <= now then dead[#dead + 1] = one.token end
  end
  leave_line(dead)
  if st.holders + st.offers + st.waiters > 0 then return by end
  if st.limit > 0 then unset[1], unset[2] = 'b', 'p' end
  st.limit = 0
end

local function finish(reply)
  put_extras()
  -- Freeing first: when memory is out, a script is only let through if its first write frees.
  redis.call('HDEL', lock, '')
  st.limit = QUORUM
  save_state()
  write_changes(st.expires)
  return send(reply)
end

-- Tells the first in line that fits to ask all servers, and the second to do so if the first has not come.
local function hint()
  local dead, told = {}, 0
  for _, one in ipairs(st.waiters > 0 and read_line(0, 100) or {}) do
    if not one.record or one.record.deadline <= now then
      dead[#dead + 1] = one.token
    elseif told < 2 and fits(one.record.flags, '') then
      mail(one.record.mailbox, 'look ' .. told * CLAIM_WINDOW)
      told = told + 1
    end
  end
  leave_line(dead)
end
