-- nbody.lua - floating point in records: planets under gravity. SPDX-License-Identifier: Apache-2.0
local sqrt = math.sqrt

local function planets()
    local year = 365.24
    local sun = 39.47841760435743
    return {
        { x = 0.0, y = 0.0, z = 0.0, vx = 0.0, vy = 0.0, vz = 0.0, mass = sun },
        { x = 4.841431442464721, y = -1.1603200440274284, z = -0.10362204447112311,
          vx = 0.001660076642744037 * year, vy = 0.007699011184197404 * year, vz = -0.0000690460016972063 * year,
          mass = 0.0009547919384243266 * sun },
        { x = 8.34336671824458, y = 4.124798564124305, z = -0.4035234171143214,
          vx = -0.002767425107268624 * year, vy = 0.004998528012349172 * year, vz = 0.00002304172975737639 * year,
          mass = 0.0002858859806661308 * sun },
        { x = 12.894369562139131, y = -15.111151401698631, z = -0.22330757889265573,
          vx = 0.002964601375647616 * year, vy = 0.0023784717395948095 * year, vz = -0.000029658956854023756 * year,
          mass = 0.00004366244043351563 * sun },
        { x = 15.379697114850917, y = -25.919314609987964, z = 0.17925877295037118,
          vx = 0.0026806777249038932 * year, vy = 0.001628241700382423 * year, vz = -0.00009515922545197159 * year,
          mass = 0.00005151389020466115 * sun },
    }
end

local function rest(bodies)
    local px, py, pz = 0.0, 0.0, 0.0
    for i = 1, #bodies do
        local b = bodies[i]
        px = px + b.vx * b.mass
        py = py + b.vy * b.mass
        pz = pz + b.vz * b.mass
    end
    local sun = bodies[1]
    sun.vx = -px / sun.mass
    sun.vy = -py / sun.mass
    sun.vz = -pz / sun.mass
end

local function advance(bodies, dt)
    local n = #bodies
    for i = 1, n do
        local a = bodies[i]
        for j = i + 1, n do
            local b = bodies[j]
            local dx = a.x - b.x
            local dy = a.y - b.y
            local dz = a.z - b.z
            local d2 = dx * dx + dy * dy + dz * dz
            local mag = dt / (d2 * sqrt(d2))
            a.vx = a.vx - dx * b.mass * mag
            a.vy = a.vy - dy * b.mass * mag
            a.vz = a.vz - dz * b.mass * mag
            b.vx = b.vx + dx * a.mass * mag
            b.vy = b.vy + dy * a.mass * mag
            b.vz = b.vz + dz * a.mass * mag
        end
    end
    for i = 1, n do
        local b = bodies[i]
        b.x = b.x + dt * b.vx
        b.y = b.y + dt * b.vy
        b.z = b.z + dt * b.vz
    end
end

local function energy(bodies)
    local e = 0.0
    local n = #bodies
    for i = 1, n do
        local a = bodies[i]
        e = e + 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz)
        for j = i + 1, n do
            local b = bodies[j]
            local dx = a.x - b.x
            local dy = a.y - b.y
            local dz = a.z - b.z
            e = e - a.mass * b.mass / sqrt(dx * dx + dy * dy + dz * dz)
        end
    end
    return e
end

local bodies = planets()
rest(bodies)
for _ = 1, 400000 do advance(bodies, 0.01) end
print(string.format("%d", math.floor(energy(bodies) * 1000000000.0)))
