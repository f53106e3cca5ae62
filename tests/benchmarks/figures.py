"""What a benchmark prints: one figure a line, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


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


def middle(values: Sequence[float]) -> float:
    """Return the median: one disturbed window of many changes nothing."""
    return float(median(values))


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
