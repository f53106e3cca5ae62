"""Scores of a run: the elasticity metrics of the SPEC Research Group's cloud group, objectives kept, and what it cost.

As Herbst et al. define them (Quantifying Cloud Performance and Dependability, ACM ToMPECS 3(4), 2018), with d the demand, the
fewest replicas that keep the objective at the second's arrival rate, and s the supply, the *ready* replicas:

    theta_U = 100/T sum max(d - s, 0) / max(d, 1) dt      accuracy: how much was missing, in % of the demand
    theta_O = 100/T sum max(s - d, 0) / max(d, 1) dt      accuracy: how much was too much
    tau_U, tau_O = 100/T sum [d > s] dt, [s > d] dt       time share: how long
    instability = 100/T sum min(|sgn(change of s) - sgn(change of d)|, 1) dt
    elastic speedup = (product over theta_U, theta_O, tau_U, tau_O of baseline / run) ^ (1/4)

All are better lower, but for the speedup. Where d is 0 it counts as 1 in the divisor (their epsilon of 1): three
replicas too many with no demand are theta_O 300 %, not infinity. Changes are taken from row to row of the trace,
as from second to second nearly everything stands still. A metric below `SMALLEST` percent enters the speedup as
`SMALLEST`, since a perfect 0 would make it infinite. The baseline does not scale: it keeps the trace's mean demand,
within the bounds. Replica-hours count from order to end, so that starting replicas are paid for, though they supply nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rulebook.simulation.arrivals import Trace
from rulebook.simulation.meters import STEP_S
from rulebook.simulation.replay import Run
from rulebook.simulation.service import Service

SMALLEST: Final = 0.01


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one run; shares and metrics in percent where their names say so."""

    slo_violation_percent: float
    replica_hours: float
    theta_u_percent: float
    theta_o_percent: float
    tau_u_percent: float
    tau_o_percent: float
    instability_percent: float
    elastic_speedup: float
    mean_replicas: float
    peak_replicas: int
    changes: int
    longest_backlog: float
    backlog_left: float


@dataclass(frozen=True, slots=True)
class Elasticity:
    """The metrics of supply against demand, in percent."""

    theta_u_percent: float
    theta_o_percent: float
    tau_u_percent: float
    tau_o_percent: float
    instability_percent: float

    def speedup(self, baseline: Elasticity) -> float:
        """Compare with a baseline, whose own speedup is 1."""
        product = 1.0
        for ours, theirs in (
            (self.theta_u_percent, baseline.theta_u_percent),
            (self.theta_o_percent, baseline.theta_o_percent),
            (self.tau_u_percent, baseline.tau_u_percent),
            (self.tau_o_percent, baseline.tau_o_percent),
        ):
            product *= max(theirs, SMALLEST) / max(ours, SMALLEST)
        return float(product**0.25)


def demand(trace: Trace, service: Service) -> list[int]:
    """Give the demand of every row of a trace, in replicas."""
    return [service.needed(segment.rate_per_s) for segment in trace.segments]


def mean_demand(trace: Trace, needed: Sequence[int]) -> float:
    """Give the demand on average over time."""
    total = sum(count * segment.seconds for count, segment in zip(needed, trace.segments, strict=True))
    return total / trace.seconds


def score(trace: Trace, needed: Sequence[int], run: Run, baseline: Run) -> Scores:
    """Score a run; the baseline's own speedup is 1."""
    rows = [segment.seconds // STEP_S for segment in trace.segments]
    own = elasticity(rows, needed, run.meters.ready)
    meters = run.meters
    return Scores(
        slo_violation_percent=100.0 * run.violation_share,
        replica_hours=run.replica_hours,
        theta_u_percent=own.theta_u_percent,
        theta_o_percent=own.theta_o_percent,
        tau_u_percent=own.tau_u_percent,
        tau_o_percent=own.tau_o_percent,
        instability_percent=own.instability_percent,
        elastic_speedup=own.speedup(elasticity(rows, needed, baseline.meters.ready)),
        mean_replicas=sum(meters.ordered) / len(meters.ordered),
        peak_replicas=max(meters.ordered),
        changes=run.changes,
        longest_backlog=max(meters.backlog),
        backlog_left=meters.backlog[-1],
    )


def elasticity(rows: Sequence[int], needed: Sequence[int], supply: Sequence[int]) -> Elasticity:
    """Compare supply with demand: `needed` has a value a row, `supply` as many in each row as `rows` says."""
    missing = spare = short = ample = unstable = 0.0
    begin, moved = 0, 0
    for row, (wanted, count) in enumerate(zip(needed, rows, strict=True)):
        end = begin + count
        divisor = max(wanted, 1)
        for ready in supply[begin:end]:
            if wanted > ready:
                missing += (wanted - ready) / divisor
                short += 1
            elif ready > wanted:
                spare += (ready - wanted) / divisor
                ample += 1
        if row > 0:
            moved += count
            supplied = _sign(supply[end - 1] - supply[begin - 1])
            unstable += count * min(abs(supplied - _sign(wanted - needed[row - 1])), 1)
        begin = end
    total = len(supply)
    return Elasticity(
        theta_u_percent=100.0 * missing / total,
        theta_o_percent=100.0 * spare / total,
        tau_u_percent=100.0 * short / total,
        tau_o_percent=100.0 * ample / total,
        instability_percent=100.0 * unstable / moved if moved else 0.0,
    )


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
