-- KEYS: the value, the set of keys, the set of expiries.
-- ARGV: the key's name, what values' keys begin with, the time to live in milliseconds or nothing.

-- Expired keys that leave the sets with each write: above one, so that they cannot pile up.
local SWEEP = 4

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function write(value)
  if ARGV[3] == '' then
    redis.call('SET', KEYS[1], value)
  else
    redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
  end
end

-- Enters the key into the sets, and lets some go that have expired.
local function index()
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  if ARGV[3] == '' then
    redis.call('ZREM', KEYS[3], ARGV[1])
  else
    redis.call('ZADD', KEYS[3], now() + ARGV[3], ARGV[1])
  end
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now(), 'LIMIT', 0, SWEEP)) do
    local left = redis.call('PTTL', ARGV[2] .. key)
    if left == -2 then
      redis.call('ZREM', KEYS[2], key)
      redis.call('ZREM', KEYS[3], key)
    elseif left == -1 then
      redis.call('ZREM', KEYS[3], key)
    else
      redis.call('ZADD', KEYS[3], now() + left + 1, key)
    end
  end
end

