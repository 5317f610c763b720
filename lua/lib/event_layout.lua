-- The layout of a topic's keys; lua/README.md describes each. A script that meets another layout version refuses.
local LAYOUT = 1
-- A topic: layout, ms and number of its last event, how many and for how long (ms) events are kept (0: not bounded so),
-- since when it is there, when its producers are rotated.
local TOPIC = '<Bdddddd'
-- A group: layout, ms and number of the last event that it was given, then how many were given for the first time,
-- handled, returned, given up, missed (trimmed before anybody had them).
local GROUP = '<Bddddddd'
-- An event in flight, by receipt, or waiting to be given again, as `+<id>`: ms, number, attempts that ended, how many
-- were taken together, how many the group missed before it, who has it.
local BODY = '<ddI2I2d'
local KEPT, MINUTE, DAY = 10000, 60000, 86400000
