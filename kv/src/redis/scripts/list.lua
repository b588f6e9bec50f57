-- KEYS: the set of keys, the set of expiries.
-- ARGV: what values' keys begin with, the lower and the upper bound, the most keys wanted.
-- Answers the keys, and after which to go on when there are more.

-- Rounds in which only keys that are gone turn up would stop the server for long.
local ROUNDS = 8

local values, from, to, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local found = {}
local last
for _ = 1, ROUNDS do
  local batch = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, limit + 1)
  for _, key in ipairs(batch) do
    if redis.call('EXISTS', values .. key) == 1 then
      if #found == limit then
        return { found, found[limit] }
      end
      found[#found + 1] = key
    else
      redis.call('ZREM', KEYS[1], key)
      redis.call('ZREM', KEYS[2], key)
    end
    last = key
  end
  if #batch <= limit then
    return { found, false }
  end
  from = '(' .. last
end
return { found, last }
