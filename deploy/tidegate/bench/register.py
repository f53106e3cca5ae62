"""What the driver knows of its buyers: places in one piece of memory, and whether all numbers and turns are as promised.

Buyers count from 0 in the order in which they come. All places of one onsale are equally long, so they stand side by side.
"""

from __future__ import annotations

import math
from array import array


class Register:
    """The places of up to `buyers` buyers, in line one behind the other from number 1."""

    def __init__(self, buyers: int) -> None:
        self.numbers = array("I", bytes(4 * buyers))
        """The number of each buyer; 0 for one who has none yet."""
        self.gone = bytearray(buyers)
        """1 for each buyer who has entered."""
        self.joined = 0
        self.wrong_numbers = 0
        """Numbers given out twice, or beyond the last buyer."""
        self.changed_places = 0
        """Buyers who joined again and got another number."""
        self._given = bytearray(buyers + 1)
        self._tokens = bytearray()
        self._token_length = 0

    def enter_place(self, buyer: int, number: int, token: bytes) -> None:
        """Note the place which a buyer was given, the first time or again."""
        known = self.numbers[buyer]
        if known:
            self.changed_places += known != number
            return
        if not self._token_length:
            self._token_length = len(token)
            self._tokens = bytearray(len(token) * len(self.numbers))
        if not 0 < number < len(self._given) or self._given[number]:
            self.wrong_numbers += 1
        else:
            self._given[number] = 1
        self.joined += 1
        self.numbers[buyer] = number
        start = buyer * self._token_length
        self._tokens[start : start + self._token_length] = token

    def token(self, buyer: int) -> bytes:
        """Return a buyer's place."""
        start = buyer * self._token_length
        return bytes(self._tokens[start : start + self._token_length])


class Turns:
    """Whether the order is kept: nobody is told "your turn" while somebody before them is told "waiting", then or later.

    For each of `buyers` positions it keeps when "waiting" was last told and when "your turn" was first, by the store's time, so
    that it makes no difference in which order answers arrive. Positions beyond the last buyer are not kept: their numbers are
    counted as wrong by the register.
    """

    def __init__(self, buyers: int) -> None:
        self.highest = 0
        """The highest position whose turn has come."""
        self._waited_s = array("d", [-math.inf]) * (buyers + 1)
        self._came_s = array("d", [math.inf]) * (buyers + 1)

    def came(self, position: int, as_of_s: float) -> None:
        """Note that the turn of `position` has come by this time of the store."""
        if 0 < position < len(self._came_s):
            self.highest = max(self.highest, position)
            self._came_s[position] = min(self._came_s[position], as_of_s)

    def waits(self, position: int, as_of_s: float) -> None:
        """Note that `position` is still waiting at this time; 0 is one that is not known."""
        if 0 < position < len(self._waited_s):
            self._waited_s[position] = max(self._waited_s[position], as_of_s)

    def violations(self) -> int:
        """Count who was told to wait at, or after, the time at which somebody behind them was told "your turn"."""
        count, earliest_s = 0, math.inf
        for waited_s, came_s in zip(reversed(self._waited_s), reversed(self._came_s), strict=True):
            count += waited_s >= earliest_s
            earliest_s = min(earliest_s, came_s)
        return count
