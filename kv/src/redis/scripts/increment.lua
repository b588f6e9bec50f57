-- ARGV[4]: by how much.
local new = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[4])
if type(sum) == 'table' and sum.err then
  if string.find(sum.err, 'overflow', 1, true) then
    return redis.error_reply('OVERFLOW the counter would overflow')
  elseif string.find(sum.err, 'not an integer', 1, true) then
    return redis.error_reply('NOTACOUNTER the value is not a counter')
  end
  return sum
end
if new then
  if ARGV[3] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
  index()
end
-- A number of a script is a float, which does not hold 64 bits; the text does.
return redis.call('GET', KEYS[1])
