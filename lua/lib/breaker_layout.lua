-- The layout of a breaker's hash; lua/README.md describes each field. A script that meets another layout version refuses.
local LAYOUT = 1
local STATE = '<BBdddddI2I2BI4I4dddc32I2c0'
local SETTINGS = '<I4I4I4dddI4I4'
local BUCKET = '<dI4I4'
local PERMIT = '<c32d'
local CLOSED, OPEN, HALF_OPEN = 0, 1, 2
-- Why it is in its state.
local TOO_MANY, TOO_OFTEN, PROBE_FAILED, TRIPPED, HELD, RECOVERED, RESET = 1, 2, 3, 4, 5, 6, 7
local BUCKETS, RING = 20, 64 * 32
local DAY = 86400000
