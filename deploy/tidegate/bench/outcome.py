"""What became of one crowd, as figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.bench.figures import Figure
from tidegate.bench.options import CrowdOptions
from tidegate.bench.releases import Look, over, shortfall

MUST_BE_NOUGHT = (
    "crowd_wrong_numbers",
    "crowd_changed_places",
    "crowd_order_violations",
    "crowd_failed",
    "crowd_released_over",
)
"""What no machine excuses."""
_SPREAD = 0.2
"""By so much of the interval, to either side, are the buyers of one moment spread evenly."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What had been used by a moment, or in a stretch of time: processor seconds, and commands to the store."""

    at_s: float
    room_s: float
    store_s: float
    driver_s: float
    store_commands: int

    def since(self, before: Spent) -> Spent:
        """Return what was used since another moment."""
        return Spent(
            self.at_s - before.at_s,
            self.room_s - before.room_s,
            self.store_s - before.store_s,
            self.driver_s - before.driver_s,
            self.store_commands - before.store_commands,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One crowd: what its driver told when all had joined and in the end, and what was seen from outside meanwhile.

    `order_violations` is how many were told to wait after somebody behind them was let in. `joining_bytes` is the store's growth
    by the last join; in the end the line's keys take up `line_bytes`, those of the buyers who are in the shop `inside_bytes`.
    """

    buyers: int
    options: CrowdOptions
    rate_per_s: float
    burst: int
    joined: dict[str, Any]
    watched: dict[str, Any]
    order_violations: int
    joining: Spent
    watching: Spent
    joining_bytes: int
    line_bytes: int
    inside_bytes: int
    looks: Sequence[Look]


def figures_of(outcome: Outcome, smallest: Outcome) -> list[Figure]:
    """Return all figures of a crowd; what it costs as it waits is held against the `smallest` of the same run."""
    return [
        *_of_joining(outcome),
        *_of_waiting(outcome, smallest),
        *_of_asking_again(outcome),
        *_of_promises(outcome),
    ]


def name_of(buyers: int) -> str:
    """Name a crowd in a figure's `of`."""
    return f"{buyers} buyers"


def retry_after_off(told: Mapping[str, float]) -> float:
    """Return how far what was told is off an even spread around the interval due: the worst of `mean`, `p1` and `p99`."""
    due = {"mean": 1.0, "p1": 1.0 - 0.98 * _SPREAD, "p99": 1.0 + 0.98 * _SPREAD}
    return max(abs(told[name] / share - 1.0) for name, share in due.items())


def _of_joining(outcome: Outcome) -> list[Figure]:
    of, n, told = name_of(outcome.buyers), outcome.buyers, outcome.joined
    join = told["kinds"].get("join", {"p50_ms": 0.0, "p99_ms": 0.0})
    seconds, offered = told["seconds"], outcome.options.joins_per_s
    late = f"from the moment at which each was due; the driver was late by {told['late_p99_ms']:.1f} ms (p99)"
    asked = told["kinds"].get("status", {"count": 0})["count"]
    busy = (
        f"{asked} questions were asked meanwhile; the driver took {_share(outcome.joining, 'driver_s'):.2f}"
    )
    return [
        Figure(
            "crowd_join_seconds", seconds, "s", n, note="from the first arrival to the last answer", of=of
        ),
        Figure(
            "crowd_joins_per_s",
            told["joined"] / seconds,
            "joins/s",
            n,
            offered,
            told["joined"] / seconds / offered,
            "baseline: how many come",
            of,
        ),
        Figure("crowd_join_p50", join["p50_ms"], "ms", n, note=late, of=of),
        Figure("crowd_join_p99", join["p99_ms"], "ms", n, note=late, of=of),
        Figure("crowd_joining_driver_late", told["late_p99_ms"], "ms", n, note="99 % of what it sent", of=of),
        Figure("crowd_joining_room_cpu", _share(outcome.joining, "room_s"), "of a core", n, note=busy, of=of),
        Figure("crowd_joining_store_cpu", _share(outcome.joining, "store_s"), "of a core", n, of=of),
        Figure(
            "crowd_joining_store_bytes",
            outcome.joining_bytes / n,
            "bytes/buyer",
            n,
            note="at the last join, with the nonces of devices, which expire in two minutes",
            of=of,
        ),
    ]


def _of_waiting(outcome: Outcome, smallest: Outcome) -> list[Figure]:
    of, told, spent = name_of(outcome.buyers), outcome.watched, outcome.watching
    status = told["kinds"].get("status", {"count": 0, "p50_ms": 0.0, "p99_ms": 0.0})
    budget = outcome.options.poll_budget_per_s
    n, polls_per_s = status["count"], status["count"] / told["seconds"]
    late = f"from the moment at which each was due; the driver was late by {told['late_p99_ms']:.1f} ms (p99)"
    entered = told["kinds"].get("enter", {"count": 0})["count"]
    busy = f"with {entered} buyers who entered meanwhile; the driver took {_share(spent, 'driver_s'):.2f}"
    room, before = _share(spent, "room_s"), _share(smallest.watching, "room_s")
    return [
        Figure(
            "crowd_polls_per_s",
            polls_per_s,
            "questions/s",
            n,
            budget,
            polls_per_s / budget,
            "baseline: the poll budget",
            of,
        ),
        Figure("crowd_status_p50", status["p50_ms"], "ms", n, note=late, of=of),
        Figure("crowd_status_p99", status["p99_ms"], "ms", n, note=late, of=of),
        Figure("crowd_driver_late", told["late_p99_ms"], "ms", n, note="99 % of what it sent", of=of),
        Figure(
            "crowd_room_cpu",
            room,
            "of a core",
            n,
            before,
            room / before if before else None,
            f"{busy}; baseline: the smallest crowd",
            of,
        ),
        Figure("crowd_store_cpu", _share(spent, "store_s"), "of a core", n, of=of),
        Figure(
            "crowd_store_commands_per_s",
            spent.store_commands / spent.at_s,
            "commands/s",
            n,
            note="all of them: the room's own, the claims', and our looks at the counter",
            of=of,
        ),
        Figure(
            "crowd_store_bytes",
            outcome.line_bytes / outcome.buyers,
            "bytes/buyer",
            outcome.buyers,
            note=f"{outcome.line_bytes} bytes in all, once the nonces of devices have expired",
            of=of,
        ),
        Figure(
            "crowd_session_bytes",
            outcome.inside_bytes / max(1, told["entered"]),
            "bytes/buyer",
            told["entered"],
            note="of those in the shop, and of hand-overs not older than half a minute",
            of=of,
        ),
    ]


def figure_again(again: Outcome, smallest: Outcome) -> Figure:
    """Return what the room takes before a crowd that comes once more, to what it took before the same the first time."""
    room, before = _share(again.watching, "room_s"), _share(smallest.watching, "room_s")
    return Figure(
        "crowd_room_cpu_again",
        room,
        "of a core",
        again.watched["kinds"].get("status", {"count": 0})["count"],
        before,
        room / before if before else None,
        "the same crowd once more, behind all others; baseline: the first time",
        name_of(again.buyers),
    )


def _of_asking_again(outcome: Outcome) -> list[Figure]:
    """Hold when buyers were told to ask again against what is due to their positions.

    A line is watched for seconds: most of a million would not come back within them, whatever they were told, so the questions a
    second do not show it.
    """
    told = outcome.watched["retry_after"]
    if not told["count"]:
        return []
    note = (
        f"told, to the interval due to the position: mean {told['mean']:.3f}, 1 % {told['p1']:.3f}, 99 % {told['p99']:.3f}; "
        f"the farthest of these from an even spread of {_SPREAD:g} to either side"
    )
    return [
        Figure(
            "crowd_retry_after",
            retry_after_off(told),
            "fraction",
            told["count"],
            note=note,
            of=name_of(outcome.buyers),
        )
    ]


def _of_promises(outcome: Outcome) -> list[Figure]:
    of, told, n = name_of(outcome.buyers), outcome.watched, outcome.buyers
    looks, rate = outcome.looks, outcome.rate_per_s
    released = looks[-1].released - looks[0].released if looks else 0
    short = shortfall(looks, rate)
    why = "; ".join(told["failures"])
    lost = outcome.buyers - told["joined"]
    figures = [
        Figure(
            "crowd_wrong_numbers",
            told["wrong_numbers"] + lost,
            "numbers",
            n,
            note="given twice, beyond the last buyer, or missing",
            of=of,
        ),
        Figure(
            "crowd_changed_places",
            told["changed_places"],
            "places",
            told["kinds"].get("again", {"count": 0})["count"]
            + outcome.joined["kinds"].get("again", {"count": 0})["count"],
            note="of those who joined again",
            of=of,
        ),
        Figure("crowd_order_violations", outcome.order_violations, "buyers", n, of=of),
        Figure("crowd_failed", told["failed"], "questions", n, note=why, of=of),
        Figure(
            "crowd_released_over",
            over(looks, rate, outcome.burst),
            "buyers",
            released,
            note=f"beyond the bucket's bound at {rate:g}/s",
            of=of,
        ),
    ]
    if short is not None:
        note = f"of rate x elapsed at {rate:g}/s"
        figures.append(Figure("crowd_released_shortfall", short, "fraction", released, note=note, of=of))
    return figures


def _share(spent: Spent, part: str) -> float:
    used: float = getattr(spent, part)
    return used / spent.at_s if spent.at_s else 0.0
