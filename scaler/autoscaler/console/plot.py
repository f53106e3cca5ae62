"""Turns series into the points of an SVG plot: pure geometry, so that a page shows it without a script.

A series of counts goes in steps, a series of measurements in lines; where a value is missing, or nothing was noted for long, the
line is broken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 720
LEFT: Final = 48
BOTTOM: Final = 22
TOP: Final = 8
RIGHT: Final = 10
MOST_POINTS: Final = 240
_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name, its style's name, and time and value of its points, oldest first."""

    name: str
    style: str
    points: tuple[tuple[float, float | None], ...]
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A series as drawn; `paths` are the `d` of SVG paths."""

    name: str
    style: str
    path: str
    last: float | None
    points: tuple[tuple[float, float | None], ...]
    """What is drawn, for those who read a value: seconds since the plot's start, and the value as written."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """All that a template needs to draw; lengths in units of the view box."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    start_s: float
    end_s: float
    lines: tuple[Line, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    beyond: str | None = None
    """The highest value, where it is above what is drawn."""

    @property
    def summary(self) -> str:
        """What it shows, for those who do not see it."""
        parts = [
            f"{line.name}: {'no value' if line.last is None else format_number(line.last)}"
            for line in self.lines
        ]
        return "Now " + ", ".join(parts)

    @property
    def figures(self) -> str:
        """What a script needs to read values at a moment, as JSON."""
        moments = sorted({at_s for line in self.lines for at_s, _ in line.points})
        lines = [(line.name, line.points) for line in self.lines]
        found = {"start": self.start_s, "end": self.end_s, "left": self.left, "right": self.right}
        found |= {"top": self.top, "bottom": self.bottom}
        return json.dumps({**found, "moments": moments, "lines": lines}, separators=(",", ":"))


def draw(
    series: Sequence[Series], height: int, gap_s: float = math.inf, ceiling: float = math.inf
) -> Plot | None:
    """Lay out series over their common time; None while there are no two moments to draw a line between.

    Over more than `gap_s` between two points no line is drawn. What is above `ceiling` is drawn at the upper edge.
    """
    times = [at_s for one in series for at_s, _ in one.points]
    if not times or max(times) - min(times) <= 0:
        return None
    start_s, end_s = min(times), max(times)
    values = [
        value for one in series for _, value in one.points if value is not None and math.isfinite(value)
    ]
    top = nice_ceiling(min(max(values, default=0.0), ceiling))
    if all(one.steps for one in series):  # counts: a quarter of one is none
        top = max(top, float(_TICKS))
    low = min(0.0, *values) if values else 0.0
    right, base = WIDTH - RIGHT, height - BOTTOM

    def x(at_s: float) -> float:
        return LEFT + (at_s - start_s) / (end_s - start_s) * (right - LEFT)

    def y(value: float) -> float:
        return base - (min(value, top) - low) / (top - low) * (base - TOP)

    lines = []
    for one in series:
        drawn = [
            (at_s, None if value is None or not math.isfinite(value) else value)
            for at_s, value in broken(thinned(one.points), gap_s)
        ]
        points = [(x(at_s), None if value is None else y(value)) for at_s, value in drawn]
        lines.append(
            Line(
                one.name,
                one.style,
                _path(points, steps=one.steps),
                one.points[-1][1] if one.points else None,
                tuple((round(at_s - start_s, 1), value and float(f"{value:.4g}")) for at_s, value in drawn),
            )
        )
    marks = [low + (top - low) * step / _TICKS for step in range(_TICKS + 1)]
    return Plot(
        width=WIDTH,
        height=height,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=base,
        start_s=start_s,
        end_s=end_s,
        lines=tuple(lines),
        y_ticks=tuple(Tick(round(y(mark), 1), format_number(mark)) for mark in marks),
        x_ticks=tuple(
            Tick(round(x(start_s + (end_s - start_s) * share), 1), _ago((end_s - start_s) * (1 - share)))
            for share in (0.0, 0.5, 1.0)
        ),
        beyond=format_number(max(values)) if values and max(values) > top else None,
    )


def broken(
    points: Sequence[tuple[float, float | None]], gap_s: float
) -> Iterator[tuple[float, float | None]]:
    """Go through points, with one that has no value in each gap."""
    before_s = math.inf
    for at_s, value in points:
        if at_s - before_s > gap_s:
            yield before_s, None
        before_s = at_s
        yield at_s, value


def thinned(points: Sequence[tuple[float, float | None]]) -> Sequence[tuple[float, float | None]]:
    """Leave out points beyond what can be told apart; of each group the last stays, and the last of all."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(len(points) / MOST_POINTS)
    return [points[min(index + size, len(points)) - 1] for index in range(0, len(points), size)]


def nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 4, 8, 10, 20, 40 ... which a value fits under, so that quarters of it read well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * 0.999999)


def format_number(value: float) -> str:
    """Write a number in a few characters: 1.2k, 0.35, 12."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _path(points: Sequence[tuple[float, float | None]], *, steps: bool) -> str:
    parts: list[str] = []
    pen_down = False
    for x, y in points:
        if y is None:
            pen_down = False
        elif not pen_down:
            parts.append(f"M{x:.1f} {y:.1f}")
            pen_down = True
        else:
            parts.append(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}")
    return "".join(parts)


def _ago(seconds: float) -> str:
    if seconds < 1:
        return "now"
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.1f} h ago"
