"""The crowd before an onsale, as buyers/s: what it takes to serve the backlog by its deadline, and when that is.

Demand = arrivals + backlog / max(interval, deadline - begin). The deadline is set when a backlog begins, to begin + drainWithin,
and cleared when it is empty; past it everything there is goes to work until it is empty. Begin is now, or the opening while that
lies ahead. A pre-queue asks for what it takes once the doors open from `lead` before the opening on, so that this is ready by
then; until then it asks for nothing, as replicas that stand and wait for an hour are of no use to anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from rulebook.observation import Crowd


@dataclass(frozen=True, slots=True)
class Demand:
    """Buyers/s to be served; `overdue` when the deadline has passed; `deadline_s` None while there is no backlog."""

    per_s: float
    overdue: bool
    deadline_s: float | None
    detail: str


def demand_of(
    crowd: Crowd,
    deadline_s: float | None,
    drain_within_s: float,
    interval_s: float,
    lead_s: float,
    now_s: float,
) -> Demand:
    """Work out what the crowd asks for, given the deadline that was set before, if any."""
    arrivals, backlog = max(crowd.arrivals_per_s, 0.0), min(crowd.backlog, 2**53)
    if crowd.opens_at_s is not None and now_s < crowd.opens_at_s - lead_s:
        opens_in_s = crowd.opens_at_s - now_s
        return Demand(
            0.0,
            False,
            None,
            f"{backlog} wait for the opening in {opens_in_s:.0f} s, due from {lead_s:.0f} s before",
        )
    if backlog <= 0:
        return Demand(arrivals, False, None, f"nobody waits, {_rate(arrivals)}/s arrive")
    opens_s = crowd.opens_at_s
    if deadline_s is None or (opens_s is not None and now_s < opens_s):
        # Before the opening nothing drains; following `opens` here keeps the deadline right when the sale is moved.
        deadline_s = max(now_s, opens_s if opens_s is not None else now_s) + drain_within_s
    left_s = deadline_s - max(now_s, opens_s if opens_s is not None else now_s)
    waiting = f"{backlog} wait, {_rate(arrivals)}/s arrive"
    if left_s <= 0:
        per_s = arrivals + backlog / interval_s
        return Demand(per_s, True, deadline_s, f"{waiting}, {-left_s:.0f} s past the deadline: all there is")
    per_s = arrivals + backlog / max(interval_s, left_s)
    return Demand(per_s, False, deadline_s, f"{waiting}, due in {left_s:.0f} s")


def _rate(per_s: float) -> str:
    return f"{per_s:.3g}" if per_s < 999.5 else f"{per_s:.0f}"
