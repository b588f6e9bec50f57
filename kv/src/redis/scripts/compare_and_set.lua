-- ARGV[4]: the value. ARGV[5]: the value expected, left out when none is.
-- `or nil` because no value is `false` to `GET`.
if (redis.call('GET', KEYS[1]) or nil) ~= ARGV[5] then
  return 0
end
write(ARGV[4])
index()
return 1
