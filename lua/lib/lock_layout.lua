-- The layout of a lock's hash; lua/README.md describes each field. A script that meets another layout version
-- refuses, so that two releases on one fleet never both believe they hold a lock.
local LAYOUT = 1
local STATE = '<BdddddI4I4I4I4I4I4Bdddddddddd'
local HOLDER = '<BI4dddddI2c0I2c0I2c0'
local WAITER = '<BdI2c0I2c0I2c0'
-- Bits of a holder's flags.
local EXCLUSIVE, SHARED, OFFERED, REVOKED, NESTED, RESTING = 1, 2, 4, 8, 16, 32
local DAY, HOUR, MINUTE = 86400000, 3600000, 60000
-- A lapsed offer costs this; so long a waiter lives without looking; so often one looks. All in ms.
local CLAIM_WINDOW, LIVENESS, HEARTBEAT = 1000, 25000, 10000
