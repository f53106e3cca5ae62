-- Writes a lease in the place of the one that its writer has seen. Replies 1, or 0 when it is another one now.
-- KEYS[1] hash of the lease
-- ARGV version seen ('' for none), new version, holder, term, duration, acquired at, renewed at
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'holder', ARGV[3], 'term', ARGV[4], 'duration_s', ARGV[5],
  'acquired_at_s', ARGV[6], 'renewed_at_s', ARGV[7])
return 1
