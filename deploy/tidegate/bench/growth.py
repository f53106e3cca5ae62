"""The picture of how cost grows with the crowd: it should not, beyond what the poll budget allows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.bench.errors import BenchError
from tidegate.bench.figures import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EVERY_S = 10.0


def plot_growth(figures: Sequence[Figure], path: Path) -> None:
    """Draw polls, processor time, latency and the store's memory over the size of the crowd into a PNG file.

    Raises:
        BenchError: matplotlib is not installed, or there is no figure of a crowd.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise BenchError("matplotlib is not installed; get it with: pip install 'tidegate[plots]'") from error
    sizes = [size for size, _ in _series(figures, "crowd_polls_per_s")]
    if not sizes:
        raise BenchError("there is no figure of a crowd to draw")
    canvas = Canvas(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(canvas)
    polls, cost, latency, memory = canvas.subplots(2, 2).flat
    budget = next(figure.baseline for figure in figures if figure.name == "crowd_polls_per_s")
    _line(polls, figures, "crowd_polls_per_s", "as told by retry_after", "tab:blue")
    polls.plot(
        sizes, [size / _EVERY_S for size in sizes], ":", color="0.5", label=f"each every {_EVERY_S:g} s"
    )
    polls.axhline(budget or 0.0, color="tab:orange", linestyle="--", label="poll budget")
    polls.set(title="Questions a second", yscale="log")
    _line(cost, figures, "crowd_room_cpu", "waiting room", "tab:blue")
    _line(cost, figures, "crowd_store_cpu", "store", "tab:green")
    cost.set(title="Processor time while all wait, of a core", ylim=(0.0, None))
    _line(latency, figures, "crowd_status_p50", "median", "tab:blue")
    _line(latency, figures, "crowd_status_p99", "99 %", "tab:red")
    latency.set(title="A status, ms from the moment it was due", ylim=(0.0, None))
    _line(memory, figures, "crowd_store_bytes", "waiting", "tab:blue")
    _line(memory, figures, "crowd_joining_store_bytes", "just joined", "0.5")
    memory.axhline(1.0, color="tab:orange", linestyle="--", label="promised at a million")
    memory.set(title="The store's memory, bytes a buyer", yscale="log")
    for axes in (polls, cost, latency, memory):
        axes.set(xscale="log", xlabel="buyers in line")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    canvas.savefig(path, dpi=100)


def _line(axes: Axes, figures: Sequence[Figure], name: str, label: str, colour: str) -> None:
    points = _series(figures, name)
    axes.plot(
        [size for size, _ in points], [value for _, value in points], marker="o", color=colour, label=label
    )


def _series(figures: Sequence[Figure], name: str) -> list[tuple[int, float]]:
    """Return size and value of each crowd's figure of this name."""
    return sorted(
        (int(figure.of.partition(" ")[0]), figure.value) for figure in figures if figure.name == name
    )
