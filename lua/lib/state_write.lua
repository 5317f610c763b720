-- What changes a value. Uses: state, watching, calling, index (its keys), now (ms), now_us, token, name.
-- @include lib/state_meta
-- @include lib/state_call
local ENTRY, REFUSAL = '<c32dc20', '<c32c12c20c20'

-- Where the token stands in a ring of entries of that many bytes.
local function place_in(ring, size)
  local at = ring and string.find(ring, token, 1, true)
  return at and at % size == 1 and at
end

-- What this request did before, if it did: its version, and the number that it made.
local function done_before(ring)
  local at = place_in(ring, 60)
  if not at then return nil end
  local _, version, number = struct.unpack(ENTRY, ring, at)
  return version, (string.gsub(number, ' ', ''))
end

-- What this request was refused with before, if it was: a copy that the server runs late does nothing.
local function refused_before(ring)
  local at = place_in(ring, 84)
  if not at then return nil end
  local _, word, second, third = struct.unpack(REFUSAL, ring, at)
  return {(string.gsub(word, ' ', '')), (string.gsub(second, ' ', '')), (string.gsub(third, ' ', ''))}
end

-- Notes the refusal, in a ring of its own: those that try and fail do not push out what was done. Returns it.
local function refuse(m, ring, reply)
  if reply.err or refused_before(ring) then return reply end
  local third = reply[1] == 'differs' and '' or reply[3] or ''
  redis.call('HSET', state, 'f', string.sub(ring or '', -63 * 84) .. struct.pack(REFUSAL, token,
    string.format('%-12s', reply[1]), string.format('%-20s', reply[2] or ''), string.format('%-20s', third)))
  if m.present == 0 then redis.call('PEXPIREAT', state, now + DAY) end
  return reply
end

-- Whether an outdated fencing token, or a lock that the caller does not hold, forbids the write; then the refusal.
local function forbidden(m, fence, lock, lock_token)
  if fence and fence < m.fence then
    return {'fenced', string.format('%.0f', m.fence), string.format('%.0f', m.version)}
  end
  if not lock then return nil end
  local found = redis.call('HMGET', lock, 's', 'h' .. lock_token)
  if found[1] and string.byte(found[1]) ~= 1 then
    return redis.error_reply('LAYOUT its lock has layout ' .. string.byte(found[1]) .. ', this dcoord knows 1')
  end
  if not found[2] then return {'unlocked'} end
  local flags, _, ends = struct.unpack('<BI4d', found[2])
  -- Offered, revoked or resting is not held.
  if ends <= now or flags % 16 >= 4 or flags >= 32 then return {'unlocked'} end
end

-- Notes the change and calls those that watch. What is in v has been, or is, written by the caller; `number` is for the
-- request's repetition.
local function changed(m, present, deadline, fence, who, ring, number)
  m.expires = m.expires or m.version == 0  -- nothing was known of it, but perhaps a refusal
  m.version = math.max(m.version + 1, now_us)
  if present == 1 and m.present == 0 then redis.call('ZADD', index, 'NX', now, name) end
  local entry = struct.pack(ENTRY, token, m.version, string.format('%-20s', number or ''))
  redis.call('HSET', state, 'm', struct.pack(META, LAYOUT, present, m.version, m.changes + 1, now,
    math.max(m.fence, fence or 0), deadline, #who, who), 'r', string.sub(ring or '', -63 * 60) .. entry)
  if present == 0 then
    redis.call('ZREM', index, name)
    redis.call('PEXPIREAT', state, now + DAY)
  elseif deadline > 0 then
    redis.call('PEXPIREAT', state, deadline + DAY)
  elseif m.expires then
    redis.call('PERSIST', state)
  end
  if redis.call('EXISTS', watching) == 1 then
    if redis.call('EXISTS', calling) == 0 then
      redis.call('RENAME', watching, calling)
    else
      redis.call('ZUNIONSTORE', calling, 2, calling, watching)
      redis.call('DEL', watching)
      redis.call('PEXPIREAT', calling, now + DAY)
    end
    call_some()
  end
end
