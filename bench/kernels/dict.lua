-- dict.lua - a dictionary of strings: counts how often each of many words comes. SPDX-License-Identifier: Apache-2.0
local words = {}
for i = 0, 4999 do words[i + 1] = "word" .. tostring(i * 7) end
local counts = {}
local x = 42
for _ = 1, 5000000 do
    x = x * 16807 % 2147483647
    local word = words[x % 5000 + 1]
    counts[word] = (counts[word] or 0) + 1
end
local most, distinct = 0, 0
for _, word in ipairs(words) do
    local count = counts[word] or 0
    if count > most then most = count end
end
for _ in pairs(counts) do distinct = distinct + 1 end
print(distinct * 1000000 + most)
