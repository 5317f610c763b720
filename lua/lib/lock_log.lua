-- The log of a lock, newest first: the latest few ends of holds and what operators did about them. What does not fit
-- any more is cut off, in the middle of an entry too: readers leave that one out.
local RELEASED, LOST, TAKEN, BROKEN, RECLAIMED = 1, 2, 3, 4, 5

local function add_to_log(log, what, since, at, fence, who, by)
  return string.sub(struct.pack('<BdddI2c0I2c0', what, since, at, fence, #who, who, #by, by) .. (log or ''), 1, 1000)
end
