"""What the rate will rise to, as far as it is known: by replicas that are ordered, and by those the backlog will have ordered.

Pure. It puts a rule's outlook together with the line as it is now, so that a wait doesn't have to wait for the rule's next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waitingroom.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Rise:
    """A higher rate, in buyers/s, and when it will be there: in how many seconds at the soonest and at the latest.

    Seconds count from now, or from the opening while that lies ahead.
    """

    per_s: float
    from_s: float
    by_s: float

    def at_s(self, share: float) -> float:
        """Return the moment so far on the way from the soonest to the latest."""
        return self.from_s + share * (self.by_s - self.from_s)


def rises_of(snapshot: Snapshot) -> tuple[Rise, ...]:
    """Return what is expected, the soonest first; nothing where nothing is known."""
    outlook = snapshot.outlook
    if outlook is None:
        return ()
    opens_in_s = max(0.0, (snapshot.opens_at_s or 0.0) - snapshot.at_s)
    ago_s = max(0.0, snapshot.at_s - snapshot.outlook_at_s) + opens_in_s
    rises, rate = [], snapshot.rate_per_s
    if outlook.coming_per_s > rate:
        rate = outlook.coming_per_s
        rises.append(
            Rise(rate, max(0.0, outlook.coming_from_s - ago_s), max(0.0, outlook.coming_by_s - ago_s))
        )
    if outlook.drain_within_s > 0.0:
        asked = min(snapshot.arrivals_per_s + snapshot.waiting / outlook.drain_within_s, outlook.most_per_s)
        if asked > rate:
            # They are ordered at the next look at the latest, or so that they are ready at the opening.
            from_s, by_s = outlook.starts_from_s - opens_in_s, outlook.starts_by_s - opens_in_s
            rises.append(Rise(asked, max(0.0, from_s), max(0.0, by_s)))
    return tuple(rises)


def flow_over(rate_per_s: float, steps: Sequence[tuple[float, float]], begin_s: float, end_s: float) -> float:
    """Return the mean rate over a stretch of time; steps are moments and the rates in force from then on."""
    mean = rate_per_s
    for at_s, per_s in steps:
        if per_s > rate_per_s:
            share = min(max((end_s - at_s) / (end_s - begin_s), 0.0), 1.0)
            mean += (per_s - rate_per_s) * share
            rate_per_s = per_s
    return mean
