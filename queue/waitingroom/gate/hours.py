"""When an onsale guards its shop: from its pre-queue to the closing of its document; pure.

Operators may have opened earlier: the room's counters know. That they closed or sold out does not count here. It ends the
releases, and a shop that was opened to all by it would get the whole line at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from rulebook import Onsale
from rulebook.coupling import US_PER_S
from waitingroom.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Hours:
    """Unix seconds between which the shop needs a pass; outside of them it is open to all."""

    begins_at_s: float = -math.inf
    closes_at_s: float = math.inf

    def are_over(self, now_s: float) -> bool:
        """Tell whether the shop is open to all at `now_s`."""
        return now_s < self.begins_at_s or now_s >= self.closes_at_s


def hours_of(onsale: Onsale, snapshot: Snapshot | None = None) -> Hours:
    """Return the hours in force; without counters, those of the document."""
    spec = onsale.spec
    if spec.outside == "deny":
        return Hours()
    if snapshot is None:
        return Hours(_seconds(spec.prequeue or spec.opens, -math.inf), _seconds(spec.closes, math.inf))
    # The counters' own opening is the one in force. Of the pre-queue they hold what an operator has set.
    operated = dict(snapshot.operated)
    begins = operated.get("ops_prequeue_us")
    documented = _seconds(spec.prequeue, snapshot.opens_at_s or -math.inf)
    return Hours(
        float(begins) / US_PER_S if begins else documented,
        _seconds(spec.closes, math.inf),
    )


def _seconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()
