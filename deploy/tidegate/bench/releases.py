"""Whether a line moved at its rate, from looks at its counter in the store's own time. Knows nothing of the bucket's script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rulebook.coupling import US_PER_S

_BUCKET_S = 1.0
"""What the rate brings in so long a bucket holds; in one that is full, what comes is lost."""


class Look(NamedTuple):
    """How many had been released at one moment of the store's clock."""

    at_us: int
    released: int


def over(looks: Sequence[Look], rate_per_s: float, burst: int) -> float:
    """Return by how many buyers the bucket's bound is exceeded between any two looks; 0 where it holds (P4)."""
    size = max(float(burst), rate_per_s)
    least, worst = math.inf, 0.0
    for look in looks:
        level = look.released - rate_per_s * look.at_us / US_PER_S
        least = min(least, level)
        worst = max(worst, level - least - size)
    # What stands in microseconds since 1970 leaves a double some millionths of a buyer to be wrong by.
    return round(worst, 3)


def shortfall(looks: Sequence[Look], rate_per_s: float) -> float | None:
    """Return the share of rate x elapsed that was not released (P5); None where no two releases were due.

    Between two looks at which something has just been released, the rate brings just what is released. So it is counted from the
    first release to the last; but where the line stands still before or after these for longer than the bucket makes up for,
    from the first look, or to the last.
    """
    moves = [look for before, look in pairwise(looks) if look.released > before.released]
    if not looks:
        return None
    first, last = looks[0], looks[-1]
    still_us = US_PER_S * max(_BUCKET_S, 2.0 / rate_per_s)
    if moves and moves[0].at_us - first.at_us <= still_us:
        first = moves[0]
    if moves and last.at_us - moves[-1].at_us <= still_us:
        last = moves[-1]
    due = rate_per_s * (last.at_us - first.at_us) / US_PER_S
    return max(0.0, 1.0 - (last.released - first.released) / due) if due > 1.0 else None
