-- The layout of a value's hash; lua/README.md describes each field. A script that meets another layout version refuses.
local LAYOUT = 1
local META = '<BBdddddI2c0'
local DAY, MINUTE = 86400000, 60000
-- So long one that watches lives without looking; so often it looks. In ms.
local LIVENESS, HEARTBEAT = 25000, 10000
