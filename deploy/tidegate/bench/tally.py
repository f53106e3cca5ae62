"""What a driver counts in one stretch of time: answers by kind, and how long they took from the moment at which they were due."""

from __future__ import annotations

from array import array
from typing import Any

from tidegate.bench.figures import quantile


class Tally:
    """Latencies in milliseconds by kind of question, how late the driver itself was, and when buyers are told to ask again."""

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._latencies_ms: dict[str, array[float]] = {}
        self._late_ms = array("f")
        self._asked_back = array("f")

    def sent(self, late_s: float) -> None:
        """Note a question which went out so long after it was due."""
        self._late_ms.append(1000.0 * late_s)

    def answered(self, kind: str, latency_s: float) -> None:
        """Note an answer."""
        latencies = self._latencies_ms.get(kind)
        if latencies is None:
            latencies = self._latencies_ms[kind] = array("f")
        latencies.append(1000.0 * latency_s)

    def asked_back(self, share: float) -> None:
        """Note an answer that told a buyer to ask again after this share of the interval which is due to the position."""
        self._asked_back.append(share)

    def told(self, now_s: float) -> dict[str, Any]:
        """Sum up: for each kind how many there were, and the latencies which half, 99 % and all do not exceed.

        `retry_after` has the mean of the shares of the interval, and those which 1 % and 99 % do not exceed.
        """
        kinds = {}
        for kind, latencies in self._latencies_ms.items():
            ordered = sorted(latencies)
            kinds[kind] = {
                "count": len(ordered),
                "p50_ms": quantile(ordered, 0.5),
                "p99_ms": quantile(ordered, 0.99),
                "max_ms": ordered[-1],
            }
        late, shares = sorted(self._late_ms), sorted(self._asked_back)
        return {
            "seconds": now_s - self._begun_s,
            "kinds": kinds,
            "late_p99_ms": quantile(late, 0.99),
            "retry_after": {
                "count": len(shares),
                "mean": sum(shares) / len(shares) if shares else 0.0,
                "p1": quantile(shares, 0.01),
                "p99": quantile(shares, 0.99),
            },
        }
