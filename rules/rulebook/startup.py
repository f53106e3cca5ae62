"""How long a target's replicas take to become ready, learnt from its own history; and how early, then, to begin for an opening.

Each scale-up that was carried out is remembered until as many replicas are ready as it asked for; the time between is a sample.
The longest of the last few counts: a cold node or a large image now and then is what warming is early for. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

UNKNOWN_LEAD_S: Final = 300.0
"""How early to begin while nothing has been learnt."""
MAX_STARTING: Final = 16
MAX_SAMPLES: Final = 8
_FORGOTTEN_AFTER_S: Final = 3600.0
_MARGIN: Final = 1.25


@dataclass(frozen=True, slots=True)
class Ordered:
    """So many replicas were asked for at a time, and are not ready yet."""

    replicas: int
    at_s: float


@dataclass(frozen=True, slots=True)
class StartUps:
    """What is on its way, and the seconds that the latest scale-ups took, oldest first."""

    starting: tuple[Ordered, ...] = ()
    took_s: tuple[float, ...] = ()

    @property
    def longest_s(self) -> float | None:
        """The longest of the latest; None while none has been seen."""
        return max(self.took_s, default=None)

    def order(self, replicas: int, now_s: float) -> StartUps:
        """Remember a scale-up that was carried out."""
        return StartUps((*self.starting, Ordered(replicas, now_s))[-MAX_STARTING:], self.took_s)

    def see(self, current: int, ready: int, now_s: float) -> StartUps:
        """Take samples of what has become ready; what was taken back, or takes for ever, teaches nothing."""
        if not self.starting:
            return self
        left, took_s = [], list(self.took_s)
        for ordered in self.starting:
            elapsed_s = now_s - ordered.at_s
            if current < ordered.replicas or not 0.0 <= elapsed_s < _FORGOTTEN_AFTER_S:
                continue
            if ready >= ordered.replicas:
                took_s.append(elapsed_s)
            else:
                left.append(ordered)
        return StartUps(tuple(left), tuple(took_s[-MAX_SAMPLES:]))

    def moved(self, by_s: float) -> StartUps:
        """Give the same for a clock that was corrected by so many seconds."""
        return replace(
            self, starting=tuple(replace(ordered, at_s=ordered.at_s + by_s) for ordered in self.starting)
        )

    def after(self, earlier: StartUps) -> StartUps:
        """Give what is known once what was seen `earlier` turns up."""
        return StartUps(
            (*earlier.starting, *self.starting)[-MAX_STARTING:],
            (*earlier.took_s, *self.took_s)[-MAX_SAMPLES:],
        )


NONE_SEEN: Final = StartUps()


def lead_of(start_ups: StartUps, interval_s: float) -> float | None:
    """Return how long before a moment to order what must be ready by then; None while nothing has been learnt.

    Two intervals pass at the most until the order is given and until its readiness is seen.
    """
    longest_s = start_ups.longest_s
    return None if longest_s is None else _MARGIN * longest_s + 2 * interval_s
