-- spectralnorm.lua - floating point through small calls and lists: the greatest singular value of a matrix that is
-- computed, not kept. SPDX-License-Identifier: Apache-2.0
local function cell(i, j)
    local ij = i + j
    return 1.0 / (ij * (ij + 1) / 2 + i + 1)
end

local function times(n, v, out)
    for i = 1, n do
        local sum = 0.0
        for j = 1, n do sum = sum + cell(i - 1, j - 1) * v[j] end
        out[i] = sum
    end
end

local function times_transposed(n, v, out)
    for i = 1, n do
        local sum = 0.0
        for j = 1, n do sum = sum + cell(j - 1, i - 1) * v[j] end
        out[i] = sum
    end
end

local n = 500
local u, v, t = {}, {}, {}
for i = 1, n do
    u[i] = 1.0
    v[i] = 0.0
    t[i] = 0.0
end
for _ = 1, 10 do
    times(n, u, t)
    times_transposed(n, t, v)
    times(n, v, t)
    times_transposed(n, t, u)
end
local uv, vv = 0.0, 0.0
for i = 1, n do
    uv = uv + u[i] * v[i]
    vv = vv + v[i] * v[i]
end
print(string.format("%d", math.floor(math.sqrt(uv / vv) * 1000000000.0)))
