-- loops.lua - nested counted loops with integer arithmetic and a remainder. SPDX-License-Identifier: Apache-2.0
local sum = 0
for i = 1, 400 do
    for j = 1, 400 do
        for k = 1, 400 do
            sum = (sum + i * j + k) % 1000003
        end
    end
end
print(sum)
