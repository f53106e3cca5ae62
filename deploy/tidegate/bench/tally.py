"""What a driver counts in one stretch of time: answers by kind, and how long they took from the moment at which they were due."""

from __future__ import annotations

from array import array
from typing import Any

from tidegate.bench.figures import quantile


class Tally:
    """Latencies in milliseconds by kind of question, and how late the driver itself was."""

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._latencies_ms: dict[str, array[float]] = {}
        self._late_ms = array("f")

    def sent(self, late_s: float) -> None:
        """Note a question which went out so long after it was due."""
        self._late_ms.append(1000.0 * late_s)

    def answered(self, kind: str, latency_s: float) -> None:
        """Note an answer."""
        latencies = self._latencies_ms.get(kind)
        if latencies is None:
            latencies = self._latencies_ms[kind] = array("f")
        latencies.append(1000.0 * latency_s)

    def told(self, now_s: float) -> dict[str, Any]:
        """Sum up: for each kind how many there were, and the latencies which half, 99 % and all do not exceed."""
        kinds = {}
        for kind, latencies in self._latencies_ms.items():
            ordered = sorted(latencies)
            kinds[kind] = {
                "count": len(ordered),
                "p50_ms": quantile(ordered, 0.5),
                "p99_ms": quantile(ordered, 0.99),
                "max_ms": ordered[-1],
            }
        late = sorted(self._late_ms)
        return {"seconds": now_s - self._begun_s, "kinds": kinds, "late_p99_ms": quantile(late, 0.99)}
