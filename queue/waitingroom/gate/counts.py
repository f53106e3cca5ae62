"""What a gate has done, as plain integers: one increment a request; `metrics` beside it reads them when it is asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REASONS = ("untrusted", "unreadable", "host", "path", "request", "too_large")
"""Why a request was refused: the peer is no trusted proxy, its words about the buyer's request cannot be read, host or path allow
no judgement, it is malformed or of a method for proxies, its body too large."""


class Counts:
    """Checks of one gate by outcome: a pass held, the way was free, the buyer was sent to the line, the request was refused."""

    __slots__ = ("allowed", "free", "queued", "refused")

    def __init__(self) -> None:
        self.allowed = 0
        self.free = 0
        self.queued = 0
        self.refused: Counter[str] = Counter()

    def refuse(self, message: str, otherwise: str = "unreadable") -> None:
        """Count a refusal under one of `REASONS`, by what was said of it, or under `otherwise`."""
        self.refused[reason_of(message, otherwise)] += 1


class Exchanges:
    """Requests to the shop: what went wrong with them, for how long they took, and the WebSockets open now."""

    __slots__ = ("buckets", "errors", "seconds", "websockets")

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.seconds = 0.0
        self.websockets = 0

    def answered(self, seconds: float) -> None:
        """Count an answer of the shop whose head took this long to come."""
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


def reason_of(message: str, otherwise: str) -> str:
    """Name the kind of a refusal; what is said of headers in particular would be too many kinds."""
    if message == "not a trusted proxy":
        return "untrusted"
    kind = message.partition(":")[0]
    if kind in REASONS:
        return kind
    return "host" if kind == "hosts" else otherwise
