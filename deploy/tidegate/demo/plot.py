"""The report's picture: what the line, the rate, the replicas and the shop did over the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.demo.errors import PlotsMissing
from tidegate.demo.figures import Evidence, percentile
from tidegate.demo.limits import SLO_S
from tidegate.demo.optimum import Setback
from tidegate.demo.overadmission import first_seen
from tidegate.demo.records import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BIN_S = 1.0
_LATENCY_BIN_S = 2.0


def plot(
    evidence: Evidence, opens_s: float, title: str, path: Path, setbacks: Sequence[Setback] = ()
) -> None:
    """Draw four panels over the seconds since the opening into a PNG file; what befell the sale is shaded.

    Raises:
        PlotsMissing: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotsMissing(
            "matplotlib is not installed; get it with: pip install 'tidegate[plots]'"
        ) from error
    figure = Figure(figsize=(10, 11), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    waiting, rate, replicas, latency = figure.subplots(4, 1, sharex=True)
    _draw_waiting(waiting, evidence, opens_s)
    _draw_rate(rate, evidence, opens_s)
    _draw_replicas(replicas, evidence, opens_s)
    _draw_latency(latency, evidence, opens_s)
    for axes in (waiting, rate, replicas, latency):
        axes.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        for setback in setbacks:
            axes.axvspan(setback.from_s, setback.until_s, color="tab:red", alpha=0.12, linewidth=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper right", frameon=False, fontsize=9)
    latency.set_xlabel("seconds since the opening")
    figure.savefig(path, dpi=110)


def _draw_waiting(axes: Axes, evidence: Evidence, opens_s: float) -> None:
    times = [sample.as_of_s - opens_s for sample in evidence.rates]
    axes.fill_between(
        times, [sample.waiting for sample in evidence.rates], color="tab:blue", alpha=0.3, label="waiting"
    )
    axes.set(title="Buyers in line", ylabel="buyers")


def _draw_rate(axes: Axes, evidence: Evidence, opens_s: float) -> None:
    seen = first_seen(evidence.served).values()
    times, counts = _per_bin([at_s - opens_s for at_s in seen])
    axes.step(
        times, counts, where="mid", color="tab:blue", linewidth=1.2, label="admitted (first seen in the shop)"
    )
    axes.plot(
        [sample.as_of_s - opens_s for sample in evidence.rates],
        [sample.rate_per_s for sample in evidence.rates],
        color="tab:orange",
        linewidth=1.5,
        label="target rate",
    )
    axes.set(title="Admission", ylabel="buyers/s")


def _draw_replicas(axes: Axes, evidence: Evidence, opens_s: float) -> None:
    times = [sample.at_s - opens_s for sample in evidence.replicas]
    desired = [sample.desired for sample in evidence.replicas]
    ready = [sample.ready for sample in evidence.replicas]
    axes.step(times, desired, where="post", color="tab:orange", linestyle="--", label="wanted")
    axes.step(times, ready, where="post", color="tab:green", label="ready")
    axes.set(title="The shop's replicas", ylabel="replicas")
    axes.set_yticks(range(max(desired + ready, default=0) + 2))


def _draw_latency(axes: Axes, evidence: Evidence, opens_s: float) -> None:
    bins: defaultdict[int, list[float]] = defaultdict(list)
    for buyer in evidence.buyers:
        for visit in buyer.visits:
            if visit.step is Step.CHECKOUT and visit.succeeded:
                bins[int((visit.begun_s - opens_s) // _LATENCY_BIN_S)].append(visit.latency_s)
    times = [(number + 0.5) * _LATENCY_BIN_S for number in sorted(bins)]
    p95 = [1000.0 * (percentile(bins[number], 0.95) or 0.0) for number in sorted(bins)]
    axes.plot(times, p95, color="tab:red", marker=".", label=f"p95 of checkouts, each {_LATENCY_BIN_S:g} s")
    axes.axhline(SLO_S * 1000.0, color="0.3", linestyle="--", linewidth=1.0, label="objective")
    axes.set(title="What buyers felt", ylabel="milliseconds")


def _per_bin(times_s: Sequence[float]) -> tuple[list[float], list[float]]:
    """Count events per second of each bin, empty bins between them included."""
    counts: defaultdict[int, int] = defaultdict(int)
    for at_s in times_s:
        counts[int(at_s // _BIN_S)] += 1
    numbers = range(min(counts, default=0), max(counts, default=-1) + 1)
    return [(number + 0.5) * _BIN_S for number in numbers], [counts[number] / _BIN_S for number in numbers]
