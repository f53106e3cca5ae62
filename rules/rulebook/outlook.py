"""What a rule expects of its admission rate, so that the room can tell buyers how long they will wait. Pure.

The rate follows ready replicas, so a rise is known before it comes: how many are ordered, how long they take to start, and by
what law more will be ordered as the backlog grows. It travels with the admission target as one short text. Nobody is let in by
it.
"""

from __future__ import annotations

import json
import math
from dataclasses import astuple, dataclass, replace
from typing import Final

from rulebook.decision import Decision
from rulebook.rule import ScalingRule
from rulebook.signals import OnsaleSignal
from rulebook.startup import StartUps

UNSEEN_STARTS_S: Final = (0.0, 90.0)
"""How soon and how late a replica is taken to be ready while no start has been seen, and the rule names no `lead`."""
_MARGIN: Final = 1.25
_LEAST_OF_LEAD: Final = 1.0 / 3.0
_OVERDUE: Final = 0.5
_FIGURES: Final = 7


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected; rates in buyers/s, times in seconds from when it was told.

    Attributes:
        most_per_s: with as many replicas as the rule may have, as slow as the shop is now.
        coming_per_s, coming_from_s, coming_by_s: with the replicas that are ordered, and when they are ready at the soonest and
            at the latest.
        starts_from_s, starts_by_s: how long others take that are ordered from now on, the next look of the rule included.
        drain_within_s: the rule orders what serves the backlog in so long; 0 where it doesn't look at the backlog.
    """

    most_per_s: float
    coming_per_s: float
    coming_from_s: float
    coming_by_s: float
    starts_from_s: float
    starts_by_s: float
    drain_within_s: float = 0.0

    def within(self, bound_per_s: float) -> Outlook:
        """Give the same under another bound of the rate."""
        most, coming = min(self.most_per_s, bound_per_s), min(self.coming_per_s, bound_per_s)
        return replace(self, most_per_s=most, coming_per_s=coming)

    def to_text(self) -> str:
        """Write the figures in the order of their definition, as a JSON list."""
        return json.dumps([round(figure, 3) for figure in astuple(self)], separators=(",", ":"))


def read_outlook(text: str) -> Outlook | None:
    """Read what `to_text` wrote; None for nothing, and for what is not understood: it is worth less than an error would cost."""
    try:
        figures = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(figures, list) or len(figures) != _FIGURES:
        return None
    if not all(type(figure) in {int, float} and 0.0 <= figure < math.inf for figure in figures):
        return None
    return Outlook(*(float(figure) for figure in figures))


def outlook_of(rule: ScalingRule, decision: Decision, now_s: float) -> Outlook | None:
    """Say what a rule expects by its decision; None for a rule that says nothing about admission.

    `now_s` is of the clock on which was decided.
    """
    spec = rule.spec
    if spec.admission is None or decision.admission is None:
        return None
    each_per_s = spec.admission.per_ready_replica_per_s * decision.memory.slow_factor
    onsale = next(
        (
            entry.onsale
            for entry in spec.signals
            if entry.onsale and entry.onsale.name == spec.admission.onsale
        ),
        None,
    )
    soonest_s, latest_s = _starts(decision.memory.start_ups, onsale, spec.interval_s)
    elapsed_s = _under_way(decision.memory.start_ups, decision.desired, now_s)
    return Outlook(
        most_per_s=each_per_s * (decision.desired if spec.paused else spec.replicas.max),
        coming_per_s=each_per_s * decision.desired,
        coming_from_s=max(0.0, soonest_s - elapsed_s),
        # What is overdue may take as long again.
        coming_by_s=max(latest_s - elapsed_s, _OVERDUE * elapsed_s),
        starts_from_s=soonest_s,
        starts_by_s=latest_s + spec.interval_s,
        drain_within_s=0.0 if onsale is None or spec.paused else onsale.drain_within_s,
    )


def _starts(start_ups: StartUps, onsale: OnsaleSignal | None, interval_s: float) -> tuple[float, float]:
    """Return how soon and how late ordered replicas are ready: as seen, as the rule's `lead` has it, or as is usual."""
    if start_ups.took_s:
        # Each was seen to be ready up to an interval after it was.
        return max(0.0, min(start_ups.took_s) - interval_s), _MARGIN * max(start_ups.took_s)
    if onsale is not None and onsale.lead_s:
        return _LEAST_OF_LEAD * onsale.lead_s, onsale.lead_s
    return UNSEEN_STARTS_S


def _under_way(start_ups: StartUps, desired: int, now_s: float) -> float:
    """Return for how long as many as are wanted have been ordered; 0 where that begins now."""
    orders = [ordered.at_s for ordered in start_ups.starting if ordered.replicas >= desired]
    return max(0.0, now_s - min(orders)) if orders else 0.0
