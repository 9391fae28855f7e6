-- strings.lua - numbers to text, concatenation of short strings, joining of many, comparison.
-- SPDX-License-Identifier: Apache-2.0
local bytes, equal = 0, 0
local parts = {}
for i = 0, 1999999 do
    local line = "item " .. tostring(i % 1000) .. ";" .. tostring(i)
    bytes = bytes + #line
    if line == "item 7;1007" then equal = equal + 1 end
    if i % 4 == 0 then parts[#parts + 1] = line end
end
local all = table.concat(parts, ",")
print(bytes + #all + equal)
