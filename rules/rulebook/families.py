"""What a metric is called and means: the room and the scaler declare theirs by it, and docs/metrics.md is made of it.

It knows no metrics library: how a family is exposed is up to who has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Merge: TypeAlias = Literal["sum", "max", "min", "newest"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: its whole name, for a counter without the `_total` that is exposed.
        kind: its type.
        text: what it means, one sentence.
        unit: what it counts or is measured in; base units only.
        labels: the labels' names; their values are bounded by documents and by what the code knows.
        shared: whether every process tells the same of it, as it stands in the store: then take `max`, never `sum`.
        merge: how the figures of several processes of one host become one.
    """

    name: str
    kind: Kind
    text: str
    unit: str
    labels: tuple[str, ...] = ()
    shared: bool = False
    merge: Merge = "sum"

    @property
    def exposed(self) -> str:
        """The name that stands in queries; a histogram's goes on with `_bucket`, `_sum` or `_count`."""
        return f"{self.name}_total" if self.kind == "counter" else self.name
