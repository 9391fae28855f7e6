-- fannkuch.lua - indexing and swapping in small integer lists: the most prefix reversals of any permutation.
-- SPDX-License-Identifier: Apache-2.0
local function flips(p, q, n)
    for i = 1, n do q[i] = p[i] end
    local count = 0
    local first = q[1]
    while first ~= 0 do
        local low, high = 1, first + 1
        while low < high do
            local t = q[low]
            q[low] = q[high]
            q[high] = t
            low = low + 1
            high = high - 1
        end
        count = count + 1
        first = q[1]
    end
    return count
end

local function main()
    local n = 9
    local p, q, turns = {}, {}, {}
    for i = 1, n do
        p[i] = i - 1
        q[i] = 0
        turns[i] = 0
    end
    local most, checksum, sign, r = 0, 0, 1, n
    while true do
        while r ~= 1 do
            turns[r] = r
            r = r - 1
        end
        local count = flips(p, q, n)
        if count > most then most = count end
        checksum = checksum + sign * count
        sign = -sign
        while true do
            if r == n then return checksum * 1000 + most end
            local first = p[1]
            for i = 1, r do p[i] = p[i + 1] end
            p[r + 1] = first
            turns[r + 1] = turns[r + 1] - 1
            if turns[r + 1] > 0 then break end
            r = r + 1
        end
    end
end

print(main())
