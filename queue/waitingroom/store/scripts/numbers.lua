-- When numbers are given out.

-- Says, as an error, why none is given out now; nil if one is.
local function refusal()
  local starts, closes = number('prequeue_us'), number('closes_us')
  if starts > 0 and NOW < starts then
    return redis.error_reply('NOTYET joining has not begun')
  end
  if closes > 0 and NOW >= closes then
    return redis.error_reply('CLOSED the onsale is over')
  end
  return nil
end
