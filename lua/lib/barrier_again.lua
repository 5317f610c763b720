-- A party whose generation is over comes again. Uses what lib/barrier_state defines, token and ring.
-- @include lib/lock_tombs

-- The request that it came with before is buried: run late, when its client has long had the answer, it would count anew.
local function supersede(own)
  if own.token ~= token then put('t', bury(ring, own.token, now)) end
end
