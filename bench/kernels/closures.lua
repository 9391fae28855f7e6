-- closures.lua - functions made, kept and called: one made for each turn, then a chain of kept ones.
-- SPDX-License-Identifier: Apache-2.0
local function adder(k)
    return function(x) return x + k end
end

local function through(chain, x)
    local y = x
    for i = 1, #chain do y = chain[i](y) % 1000003 end
    return y
end

local total = 0
for i = 0, 4999999 do
    local f = adder(i)
    total = (total + f(total)) % 1000003
end
local chain = {}
for i = 0, 99 do chain[#chain + 1] = adder(i) end
for _ = 1, 100000 do total = through(chain, total) end
print(total)
