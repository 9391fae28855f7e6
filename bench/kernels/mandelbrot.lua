-- mandelbrot.lua - floating point in registers: how many points of a grid stay in the set, and for how long the others.
-- SPDX-License-Identifier: Apache-2.0
local function steps(cx, cy, limit)
    local x, y = 0.0, 0.0
    local i = 0
    while i < limit do
        local xx = x * x
        local yy = y * y
        if xx + yy > 4.0 then return i end
        y = 2.0 * x * y + cy
        x = xx - yy + cx
        i = i + 1
    end
    return limit
end

local size, total = 600, 0
for row = 0, size - 1 do
    local cy = 2.0 * row / size - 1.0
    for column = 0, size - 1 do
        local cx = 2.0 * column / size - 1.5
        total = total + steps(cx, cy, 200)
    end
end
print(total)
