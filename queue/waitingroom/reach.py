"""How far a line can have moved since a copy of its counters: a place beyond that need not ask whether its turn has come.

It tells only whose turn cannot have come; whose has, the store alone knows. Pure.
"""

from __future__ import annotations

import math

from waitingroom.snapshot import Line, Snapshot


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
