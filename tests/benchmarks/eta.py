"""Whether what buyers are told of their wait is true: modelled sales in virtual time, each with a trouble of its own.

The line is a plain-Python model, and what the scaler would write is scripted; the closed loop is `onsale`'s (`onsale_eta_...`).
A run is the same on every machine. The baseline is what the room told before: the rate of the last five seconds, and a quarter to
either side.
"""

from __future__ import annotations

from tests.benchmarks.figures import Figure
from tests.waitingroom.eta_runs import RUNS, Outcome, play, smaller


def eta(share: int) -> list[Figure]:
    """Play all runs, at one part in `share` of their size: `eta_coverage` and `eta_width_ratio`, of the worst and of each."""
    outcomes = [play(smaller(run, share) if share > 1 else run) for run in RUNS]
    figures = [figure for outcome in outcomes for figure in _figures(outcome)]
    worst = min(outcomes, key=lambda outcome: min(outcome.first, outcome.later))
    widest = max(outcomes, key=lambda outcome: outcome.width)
    buyers = sum(outcome.buyers for outcome in outcomes)
    return [
        *figures,
        Figure(
            "eta_coverage",
            value=min(worst.first, worst.later),
            unit="share of buyers",
            n=buyers,
            baseline=min(outcome.old_first for outcome in outcomes),
            note=f"the worst of all runs: {worst.name}",
        ),
        Figure(
            "eta_width_ratio",
            value=widest.width,
            unit="(high - low) / middle",
            n=buyers,
            baseline=widest.old_width,
            note=f"the widest of all runs: {widest.name}; mean {_mean_width(outcomes):.2f}",
        ),
    ]


def _figures(outcome: Outcome) -> list[Figure]:
    return [
        Figure(
            f"eta_coverage_{outcome.name}",
            value=outcome.first,
            unit="share of buyers",
            n=outcome.buyers,
            baseline=outcome.old_first,
            note=f"waits within the first range told; of later ranges {outcome.later:.1%}",
        ),
        Figure(
            f"eta_width_ratio_{outcome.name}",
            value=outcome.width,
            unit="(high - low) / middle",
            n=outcome.buyers,
            baseline=outcome.old_width,
            note="mean over the first ranges told",
        ),
    ]


def _mean_width(outcomes: list[Outcome]) -> float:
    return sum(outcome.width for outcome in outcomes) / len(outcomes)
