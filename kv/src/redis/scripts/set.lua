-- ARGV[4]: the value.
write(ARGV[4])
index()
return redis.status_reply('OK')
