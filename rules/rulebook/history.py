"""What a signal was, in slots of equal length, for as long as a forecast looks back. Frozen; each value gives a new history.

A slot keeps the highest value that was seen in it: forecasts may only raise, and a rush of a minute is what they are
for. The history is bounded: `SEASONS` seasons of at most `SLOTS` slots, whatever the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from rulebook.schedule import Forecast

SLOTS: Final = 288
"""At most so many slots a season: five minutes each for a day."""
SEASONS: Final = 4


@dataclass(frozen=True, slots=True)
class History:
    """The values of consecutive slots, NaN where nothing was seen; the last one is slot number `last`."""

    slot_s: float
    season_slots: int
    last: int = 0
    values: tuple[float, ...] = ()

    def with_value(self, value: float, at_s: float) -> History:
        """Add a value. One that is no number, or older than what is kept, is left out."""
        if not math.isfinite(value) or not math.isfinite(at_s):
            return self
        slot, most = int(at_s // self.slot_s), self.season_slots * SEASONS
        if not self.values or slot - self.last >= most:
            return replace(self, last=slot, values=(value,))
        place = len(self.values) - 1 - (self.last - slot)
        if place < 0:
            return self
        values = list(self.values)
        values += [math.nan] * (place + 1 - len(values))
        values[place] = value if math.isnan(values[place]) else max(values[place], value)
        return replace(self, last=max(self.last, slot), values=tuple(values[-most:]))

    def moved(self, by_s: float) -> History:
        """Move all of it, in whole slots: the clock was corrected by so much, and what was seen is as long ago as before."""
        return replace(self, last=self.last + round(by_s / self.slot_s))

    def at(self, slot: int) -> float | None:
        """The value of a slot; None where nothing was seen, or it is not kept any longer."""
        place = len(self.values) - 1 - (self.last - slot)
        if not 0 <= place < len(self.values) or math.isnan(self.values[place]):
            return None
        return self.values[place]


def begin_history(forecast: Forecast, interval_s: float) -> History:
    """Begin an empty history with slots that suit a forecast: not shorter than the interval, whole ones a season."""
    slots = max(int(min(forecast.season_s / interval_s, SLOTS)), 2)
    return History(forecast.season_s / slots, slots)
