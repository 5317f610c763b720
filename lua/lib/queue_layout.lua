-- The layout of a queue's keys; lua/README.md describes each. A script that meets another layout version refuses.
local LAYOUT = 3
-- The state: layout, then numbers; s[READY] is how many are in the list, and so on.
local STATE, LAST = '<Bddddddddddddddddddddddd', 24
local READY, LANED, DELAYED, FLIGHT, DEAD, WAITERS, DUE, TOLD, LAST_ID, LAST_TICKET, ROTATE_AT = 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
local PUSHED, DONE, RETURNED, BURIED, SINCE = 13, 14, 15, 16, 17
local MINUTE_AT, MINUTE_PUSHED, MINUTE_DONE, BEFORE_PUSHED, BEFORE_DONE, ENDERS, PUSHERS = 18, 19, 20, 21, 22, 23, 24
-- An item in the list: id and attempts, then its bytes. Everywhere else that stands behind flags, time, how many were
-- delivered together, priority and lane.
local ENTRY, PREFIX, BODY = '<dI2', '<BdI2BBc0', '<BdI2BBc0dI2'
local OFFERED = 1
-- Items of the list that were taken together and can only end together, a bundle: when and how many; the lengths of their
-- entries, and those, stand in a field of their own.
local BUNDLE = '<dI2'
-- No call moves more items than this one by one, nor gives a consumer more bytes.
local MOST_MOVED, MOST_BYTES = 250, 4194304
local NORMAL, NUL = 5, string.char(0)
-- The first OFTEN in line look each HEARTBEAT, the others each IDLE to twice that; one that is LIVENESS late is dead.
local OFTEN, HEARTBEAT, IDLE, LIVENESS, CLAIM_WINDOW, MINUTE, DAY = 10, 10000, 20000, 15000, 1000, 60000, 86400000
