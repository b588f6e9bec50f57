-- KEYS: the value, the set of keys, the set of expiries. ARGV[1]: the key's name.
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1])
