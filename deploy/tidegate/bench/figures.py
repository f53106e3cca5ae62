"""What a benchmark prints: one figure a line, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `baseline` is what it is held against in the same run, `n` says over how much it was measured."""

    name: str
    value: float
    unit: str
    n: int
    baseline: float | None = None
    ratio: float | None = None
    note: str = ""
    of: str = ""
    """Which of several measured things this is the figure of: `rush, tidegate`."""

    def to_json(self) -> str:
        """Return the figure as one line, without what is empty."""
        fields = {name: _rounded(value) for name, value in asdict(self).items()}
        for name in ("note", "of"):
            if not fields[name]:
                del fields[name]
        return json.dumps(fields)


def read_figures(lines: Iterable[str]) -> list[Figure]:
    """Read what `to_json` wrote, a line each; empty lines are skipped.

    Raises:
        ValueError: a line is no figure; the message names it.
    """
    figures = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                fields: Mapping[str, Any] = json.loads(line)
                figures.append(Figure(**fields))
            except (ValueError, TypeError) as error:
                raise ValueError(f"line {number} is no figure: {error}") from error
    return figures


def middle(values: Sequence[float]) -> float:
    """Return the median: one disturbed window of many changes nothing."""
    return float(median(values))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value of an ordered sequence which `share` of them do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])


def _rounded(value: object) -> object:
    """Keep six digits that count, wherever the point stands: rounded to decimals, one call in 20,001 would be none."""
    if not isinstance(value, float) or value.is_integer() or not math.isfinite(value):
        return value
    return float(f"{value:.6g}")
