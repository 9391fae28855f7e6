-- sieve.lua - a long list of truth values, written with a stride: primes below ten million.
-- SPDX-License-Identifier: Apache-2.0
local n = 10000000
local composite = {}
for i = 1, n do composite[i] = false end
local count = 0
for i = 2, n - 1 do
    if not composite[i] then
        count = count + 1
        for k = i * i, n - 1, i do composite[k] = true end
    end
end
print(count)
