"""How large the benchmarks are: as `make bench` runs them, and as the test suite does."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.bench.options import JOINS_PER_S, WATCHED_S


@dataclass(frozen=True, slots=True)
class Sizes:
    """One place for all of them; each is an option of the same name.

    Attributes:
        rounds: windows for each of two servers, in turn.
        window: length of such a window, in seconds.
        connections: buyers who ask at once.
        buyers: how many join for `memory`, `scripts` and `crowd`.
        seconds: how long `admission` releases.
        decisions: decisions a window for `decide`.
        share: play `eta` at one part in so many of its size.
        rules, intervals: rules of the scaler for `loop`, and rounds of each.
        calls: of each script for `scripts`.
        joins: buyers/s who come to `crowd`.
        watch: how long `crowd` and `listeners` are watched, in seconds.
        listeners: how many listen for `listeners`.
    """

    rounds: int
    window: float
    connections: int
    buyers: int
    seconds: float
    decisions: int
    share: int
    rules: int
    intervals: int
    calls: int
    joins: float
    watch: float
    listeners: int


FULL = Sizes(
    rounds=16,
    window=0.5,
    connections=64,
    buyers=1_000_000,
    seconds=60.0,
    decisions=5_000,
    share=1,
    rules=1_000,
    intervals=100,
    calls=1_000,
    joins=JOINS_PER_S,
    watch=WATCHED_S,
    listeners=10_000,
)
"""What `make bench` takes; about twenty-five minutes on two quiet processors."""

TINY = Sizes(
    rounds=1,
    window=0.1,
    connections=4,
    buyers=3_000,
    seconds=2.0,
    decisions=30,
    share=40,
    rules=20,
    intervals=3,
    calls=5,
    joins=2_000.0,
    watch=1.0,
    listeners=20,
)
"""Enough to see that each of them runs."""
