-- Measures one request against several limits (GCRA, see edge/core/src/gcra.rs), and counts it
-- against all when all allow it, else against none.
--
-- KEYS: one a limit. ARGV, four a limit: period in microseconds, count, burst, cost.
-- Answers four integers a limit: allowed, remaining, reset and retry in microseconds.
--
-- Times are microseconds by the server's clock since 2025-01-01: that leaves a double, which is what
-- Lua has, some nanoseconds of precision for a century.

local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1735689600) * 1000000 + tonumber(time[2])

-- What adding intervals of a fraction of a microsecond may be off by.
local slack = 0.1

local limits = {}
local all = true
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local interval = tonumber(ARGV[at + 1]) / tonumber(ARGV[at + 2])
  local horizon = interval * tonumber(ARGV[at + 3])
  local increment = interval * tonumber(ARGV[at + 4])
  local tat = tonumber(redis.call('GET', key)) or now
  -- A time out of reach (a clock set back, a limit changed) counts as "burst used up".
  tat = math.min(math.max(tat, now), now + horizon)
  local after = tat + increment
  local excess = after - now - horizon
  local allowed = excess <= slack
  all = all and allowed
  limits[i] = {
    key = key, interval = interval, horizon = horizon, increment = increment,
    tat = tat, after = after, excess = excess, allowed = allowed,
  }
end

local answer = {}
for _, limit in ipairs(limits) do
  local tat = limit.tat
  if all then
    tat = limit.after
    if limit.increment > 0 then
      local ttl = math.max(math.ceil((tat - now) / 1000), 1)
      redis.call('SET', limit.key, string.format('%.3f', tat), 'PX', ttl)
    end
  end
  local ahead = tat - now
  local remaining = math.floor(math.max(limit.horizon - ahead + slack, 0) / limit.interval)
  table.insert(answer, limit.allowed and 1 or 0)
  table.insert(answer, math.min(remaining, 4294967295))
  table.insert(answer, math.ceil(ahead))
  table.insert(answer, limit.allowed and 0 or math.ceil(limit.excess))
end
return answer
