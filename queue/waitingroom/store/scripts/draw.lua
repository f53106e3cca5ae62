-- Publishes the draw's record, once: the first one written stays. ARGV: the record. Reply: the record in force.
redis.call('HSETNX', KEYS[1], 'draw', ARGV[1])
return redis.call('HGET', KEYS[1], 'draw')
