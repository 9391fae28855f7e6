-- matmul.lua - lists of lists of floating point: the product of two matrices. SPDX-License-Identifier: Apache-2.0
local function matrix(n, seed)
    local rows = {}
    for i = 0, n - 1 do
        local row = {}
        for j = 0, n - 1 do row[j + 1] = seed * (i - j) * (i + j) end
        rows[#rows + 1] = row
    end
    return rows
end

local function product(a, b, n)
    local rows = {}
    for i = 1, n do
        local left, row = a[i], {}
        for j = 1, n do
            local sum = 0.0
            for k = 1, n do sum = sum + left[k] * b[k][j] end
            row[j] = sum
        end
        rows[#rows + 1] = row
    end
    return rows
end

local n = 300
local seed = 1.0 / (n * n)
local c = product(matrix(n, seed), matrix(n, seed), n)
print(string.format("%d", math.floor(c[n / 2 + 1][n / 2 + 1] * 1000000.0)))
