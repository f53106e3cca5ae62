"""The plot of a simulation: demand and supply, backlog, and requests that missed the objective. Imported only for `--plot`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from rulebook.simulation import Comparison

MOST_POINTS: Final = 4000
"""Of one line in a plot: more than a picture has columns."""
_COLOURS: Final = {"rule": "tab:blue", "hpa": "tab:orange", "optimum": "tab:green"}


def draw(comparison: Comparison, file: Path) -> None:
    """Draw and save; the format is the file's suffix.

    Raises:
        ValueError: a suffix that matplotlib does not know.
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    rates, replicas, waiting = figure.subplots(3, 1, sharex=True)
    first = comparison.contenders[0].run.meters
    stride = max(1, len(first.arrivals_per_s) // MOST_POINTS)
    hours = [second / 3600 for second in range(0, len(first.arrivals_per_s), stride)]
    rates.plot(hours, first.arrivals_per_s[::stride], color="black", linewidth=0.8)
    rates.set_ylabel("requests/s")
    rates.set_title(f"{comparison.rule.name} on {Path(comparison.trace.name).name}")
    for contender in comparison.contenders:
        colour = _COLOURS.get(contender.name)
        if colour is None:
            continue
        meters, scores = contender.run.meters, contender.scores
        label = f"{contender.name}: {scores.slo_violation_percent:.3g} % late, {scores.replica_hours:.4g} h"
        replicas.plot(hours, highest(meters.ready, stride), color=colour, linewidth=0.9, label=label)
        waiting.plot(
            hours, highest(meters.backlog, stride), color=colour, linewidth=0.9, label=contender.name
        )
    replicas.set_ylabel("ready replicas")
    replicas.legend(loc="upper left", fontsize="small")
    waiting.set_yscale("symlog")
    waiting.set_ylim(bottom=0)
    waiting.set_ylabel("backlog, requests")
    waiting.set_xlabel("hours")
    figure.savefig(file, dpi=120)


def highest(values: Sequence[float], stride: int) -> list[float]:
    """Thin a series out without losing its peaks."""
    return [max(values[index : index + stride]) for index in range(0, len(values), stride)]
