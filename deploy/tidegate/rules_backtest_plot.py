"""The plot of a backtest: replicas asked for, there and needed, and the signals below. Imported only for `--plot`."""

from __future__ import annotations

import math
from datetime import UTC
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from rulebook.observation import Crowd, Reading, Value
from rulebook.simulation import Backtest
from tidegate.rules_plot import MOST_POINTS, highest

DAY_S: Final = 86400.0
_COLOURS: Final = {"rule": "tab:blue", "was": "tab:red", "baseline": "tab:grey"}


def draw(result: Backtest, file: Path) -> None:
    """Draw and save; the format is the file's suffix.

    Raises:
        ValueError: a suffix that matplotlib does not know.
        OSError: the file cannot be written.
    """
    recorded = result.recorded
    stride = max(1, recorded.moments // MOST_POINTS)
    moments = range(0, recorded.moments, stride)
    days = [recorded.at_s(moment) / DAY_S for moment in moments]  # as matplotlib counts dates
    signals = recorded.readings
    figure = Figure(figsize=(11, 4 + 2 * len(signals)), layout="constrained")
    axes = figure.subplots(1 + len(signals), 1, sharex=True, squeeze=False)[:, 0]
    axes[0].fill_between(
        days, highest(result.needed, stride), step="post", color="0.85", label="demand of the amounts"
    )
    for course in result.courses:
        axes[0].step(
            days, highest(course.replicas, stride), where="post", linewidth=1.0,
            color=_COLOURS[course.name], label=f"{course.name}: {course.replica_hours:.4g} replica-hours",
        )  # fmt: skip
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("replicas")
    axes[0].legend(loc="upper left", fontsize="small")
    axes[0].set_title(f"{result.rule.name} for {result.rule.spec.target}")
    for axis, (name, readings) in zip(axes[1:], signals.items(), strict=True):
        axis.plot(days, [_number(readings[moment]) for moment in moments], linewidth=0.8, color="black")
        axis.set_ylabel(name)
    axes[-1].xaxis_date(tz=UTC)
    axes[-1].set_xlabel("UTC")
    figure.savefig(file, dpi=120)


def _number(reading: Reading) -> float:
    if isinstance(reading, Value):
        return reading.value
    return float(reading.backlog) if isinstance(reading, Crowd) else math.nan
