"""A request trace: arrivals per second, constant from each row to the next. Parses text; reading files is for the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rulebook.errors import shorten
from rulebook.simulation.errors import TraceError

MAX_SECONDS: Final = 14 * 86400
MAX_RATE_PER_S: Final = 1e9
_UNITS: Final = {"minute": 60, "second": 1}
_RATE_COLUMN: Final = "requests_per_second"


@dataclass(frozen=True, slots=True)
class Segment:
    """So many arrivals per second for so many whole seconds."""

    seconds: int
    rate_per_s: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrivals over time. Nothing is interpolated: a step in the rows is a step for the service."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def requests(self) -> float:
        """How many requests it holds."""
        return sum(segment.seconds * segment.rate_per_s for segment in self.segments)

    @property
    def peak_per_s(self) -> float:
        """The highest rate."""
        return max(segment.rate_per_s for segment in self.segments)

    def scaled(self, factor: float) -> Trace:
        """Multiply every rate.

        Raises:
            TraceError: not a positive factor, or rates beyond reason.
        """
        if not math.isfinite(factor) or factor <= 0:
            raise TraceError(f"{self.name}: cannot be scaled by {factor:g}: must be a number above 0")
        if self.peak_per_s * factor > MAX_RATE_PER_S:
            raise TraceError(f"{self.name}: scaled by {factor:g} it exceeds {MAX_RATE_PER_S:g} requests/s")
        segments = tuple(Segment(segment.seconds, segment.rate_per_s * factor) for segment in self.segments)
        return Trace(self.name, segments)


def parse_trace(text: str, name: str) -> Trace:
    """Read `minute,requests_per_second` or `second,requests_per_second` rows; the last lasts as long as the one before.

    Raises:
        TraceError: anything else, named by file and line.
    """
    unit_s: int | None = None
    times: list[int] = []
    rates: list[float] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        cells = [cell.strip() for cell in line.split(",")]
        if cells == [""]:
            continue
        if unit_s is None:
            unit_s = _unit(cells, f"{name}:{number}")
            continue
        time_s, rate = _row(cells, unit_s, f"{name}:{number}")
        if times and time_s <= times[-1]:
            raise TraceError(f"{name}:{number}: times must rise from row to row, found {shorten(cells[0])}")
        times.append(time_s)
        rates.append(rate)
        if time_s - times[0] >= MAX_SECONDS:
            raise TraceError(f"{name}:{number}: a trace may last at most {MAX_SECONDS // 86400} days")
    if unit_s is None or not times:
        raise TraceError(f"{name}:1: holds no rows below a header such as minute,{_RATE_COLUMN}")
    return Trace(name, _segments(times, rates, unit_s))


def _segments(times: Sequence[int], rates: Sequence[float], unit_s: int) -> tuple[Segment, ...]:
    steps = [later - time_s for time_s, later in pairwise(times)]
    steps.append(steps[-1] if steps else unit_s)
    return tuple(Segment(step, rate) for step, rate in zip(steps, rates, strict=True))


def _unit(cells: list[str], place: str) -> int:
    if len(cells) == 2 and cells[0] in _UNITS and cells[1] == _RATE_COLUMN:
        return _UNITS[cells[0]]
    found = shorten(",".join(cells))
    raise TraceError(
        f"{place}: the header must be minute,{_RATE_COLUMN} or second,{_RATE_COLUMN}, found {found}"
    )


def _row(cells: list[str], unit_s: int, place: str) -> tuple[int, float]:
    if len(cells) != 2:
        raise TraceError(f"{place}: must hold a time and a rate, found {shorten(','.join(cells))}")
    time_s, rate = _number(cells[0], place) * unit_s, _number(cells[1], place)
    if time_s < 0 or abs(time_s) > 1e12 or time_s != int(time_s):
        raise TraceError(
            f"{place}: the time must be a whole number of seconds from 0 on, found {shorten(cells[0])}"
        )
    if not 0 <= rate <= MAX_RATE_PER_S:
        raise TraceError(f"{place}: the rate must be from 0 to {MAX_RATE_PER_S:g}, found {shorten(cells[1])}")
    return int(time_s), rate


def _number(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TraceError(f"{place}: must be a number, found {shorten(text)}")
    return value
