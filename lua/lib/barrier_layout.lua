-- The layout of a barrier's hash; lua/README.md describes each field. A script that meets another layout version refuses.
local LAYOUT = 1
local STATE = '<BdddI4I4I4I4BBBddd'
local PARTY = '<BddI4I2c0I2c0I2c0'
local CLOSED = '<BI4dI4I2c0I2c0I2c0'
-- Bits of a party's flags: its arrival stays; it only waits for others; it was told the outcome; its place is none of the N.
local STAYS, WATCHES, TOLD, PLACELESS = 1, 2, 4, 8
local TRIPPED, BROKEN, RESET = 1, 2, 3
-- Scores of arrivals that stay; those whose party waits, too. A leased arrival's is its deadline, a watcher's minus that.
local FOR_EVER, AND_WAITS = 1e13, 1e13 + 1
local DAY, HOUR, MINUTE = 86400000, 3600000, 60000
-- So long one that waits lives without looking; so often it looks. In ms.
local LIVENESS, HEARTBEAT = 25000, 10000
