-- The lock's state as a table: read, write, and the hash fields that go with it. Uses: lock, now (ms), now_us.
local st = {}
local ring, slots, waits, stale_record
local set, unset = {}, {}
-- @include lib/mail

local function load_state(raw)
  if raw then
    st.version, st.fence, st.expires, st.min_end, st.max_end, st.line_expires, st.limit, st.holders, st.offers,
      st.nested, st.exclusive, st.waiters, st.stale, st.last_ticket, st.lapsed_ticket, st.roll_start, st.roll_upto,
      st.roll_end, st.acquired, st.contended, st.lost, st.timed_out, st.reset_at = struct.unpack(STATE, raw)
  else
    st.fence, st.expires, st.min_end, st.max_end, st.line_expires, st.limit, st.holders, st.offers, st.nested,
      st.exclusive, st.waiters, st.stale, st.last_ticket, st.lapsed_ticket, st.roll_start, st.roll_upto, st.roll_end,
      st.acquired, st.contended, st.lost, st.timed_out, st.reset_at =
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, now
  end
end

local function put(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
end

-- Writes what changed. Fields are removed first: when memory is out, a script whose first write frees is let through.
local function save_state()
  for i = 1, #unset, 5000 do redis.call('HDEL', lock, unpack(unset, i, math.min(i + 4999, #unset))) end
  local raise = st.max_end + DAY > st.expires
  if raise then st.expires = math.max(st.max_end, now) + DAY + HOUR end
  put('s', struct.pack(STATE, LAYOUT, st.fence, st.expires, st.min_end, st.max_end, st.line_expires, st.limit,
    st.holders, st.offers, st.nested, st.exclusive, st.waiters, st.stale, st.last_ticket, st.lapsed_ticket,
    st.roll_start, st.roll_upto, st.roll_end, st.acquired, st.contended, st.lost, st.timed_out, st.reset_at))
  redis.call('HSET', lock, unpack(set))
  if raise then redis.call('PEXPIREAT', lock, st.expires) end
end

local function read_holder(raw)
  local h = {}
  h.flags, h.slot, h.ends, h.since, h.fence, h.ticket, h.ttl, h.parent, h.mailbox, h.who = struct.unpack(HOLDER, raw)
  return h
end

local function pack_holder(h)
  return struct.pack(HOLDER, h.flags, h.slot, h.ends, h.since, h.fence, h.ticket, h.ttl, #h.parent, h.parent, #h.mailbox,
    h.mailbox, #h.who, h.who)
end

local function write_holder(token, h)
  put('h' .. token, pack_holder(h))
  if st.min_end == 0 or h.ends < st.min_end then st.min_end = h.ends end
  if h.ends > st.max_end then st.max_end = h.ends end
end

local function read_waiter(raw)
  local w = {}
  w.flags, w.deadline, w.parent, w.mailbox, w.who = struct.unpack(WAITER, raw)
  return w
end

local function write_waiter(w)
  return struct.pack(WAITER, w.flags, w.deadline, #w.parent, w.parent, #w.mailbox, w.mailbox, #w.who, w.who)
end

local function has(flags, bit)
  return math.floor(flags / bit) % 2 == 1
end
