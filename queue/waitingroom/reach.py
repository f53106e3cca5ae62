"""How far a line can have moved since a copy of its counters, and how fast it can move: whose turn cannot have come need not ask.

It tells only whose turn cannot have come; whose has, the store alone knows. Pure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from waitingroom.snapshot import Line, Snapshot

_NO_SHOWS, _MOST_NO_SHOWS = 1.1, 4.0
"""Positions that move for each buyer whom the rate lets through: before it is known, and at the most that is believed."""
_BURST_WITHIN = 0.2


def furthest_released(
    snapshot: Snapshot, line: Line, ceiling_per_s: float, claim_within_s: float, within_s: float
) -> float:
    """Return the highest position of `line` that can have been released `within_s` seconds after `snapshot`.

    By P4: what the bucket holds at the most, what `ceiling_per_s` (buyers/s, the highest rate there can be) refills it by, and
    what no-shows give back, of the places then called and of those called since. What was given back is taken again, and may be
    given back again once another claim window (`claim_within_s`) is over.
    """
    tokens = max(snapshot.burst, ceiling_per_s) + ceiling_per_s * within_s + max(0, snapshot.outstanding)
    return line.released + math.ceil(tokens) * (1 + within_s // claim_within_s)


class Course(NamedTuple):
    """How soon the turns of a line can come, and how long each is good for.

    Attributes:
        fastest_per_s: positions/s at which the line can move for a long time.
        claim_within_s: how long a turn waits to be taken.
    """

    fastest_per_s: float
    claim_within_s: float


def course_of(snapshot: Snapshot, ceiling_per_s: float, claim_within_s: float) -> Course:
    """Return how soon the turns of those who wait in `snapshot` can come; `ceiling_per_s` is the highest rate there can be.

    Unlike `furthest_released` it goes by what no-shows give back as a rule: the worst, over hours, would have no bound. It takes
    what they gave back so far, and `_NO_SHOWS` at least. Of a burst, it takes a speed that lets it out in `_BURST_WITHIN` of a
    claim window (`claim_within_s`).
    """
    positions_per_buyer = 1.0 + snapshot.no_shows / (snapshot.claimed + 1)
    positions_per_buyer = min(max(positions_per_buyer, _NO_SHOWS), _MOST_NO_SHOWS)
    rate_per_s = max(ceiling_per_s, snapshot.rate_per_s) * positions_per_buyer
    return Course(max(rate_per_s, snapshot.burst / (_BURST_WITHIN * claim_within_s)), claim_within_s)
