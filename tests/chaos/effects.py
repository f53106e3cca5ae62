"""Whether a fault took hold: a sale which none befell shows nothing. Judged by what was seen while it lasted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

STOPPED = "T"
"""The state of a process that stands still by SIGSTOP, in /proc/PID/stat."""
ENDED = frozenset({"", "Z", "X"})
"""The states of one that is gone; "" where /proc knows of none."""

_TIMER_SLACK = 0.9  # an event loop's clock ticks in milliseconds, and may wake a little early


@dataclass(frozen=True, slots=True)
class Effect:
    """What was `seen` of a fault while it lasted, in one phrase, and whether that shows that it took hold."""

    took_hold: bool
    seen: str


def replaced(before: Collection[int], left: Collection[int], after: Collection[int]) -> Effect:
    """Judge a fault that ends processes: none of those before may be `left`, and others have to stand there `after` it."""
    others = len(set(after) - set(before))
    seen = f"{len(before) - len(left)} of {len(before)} processes gone, {others} new"
    return Effect(bool(before) and not left and others > 0, seen)


def came_back(effect: Effect, *, with_data: bool, as_meant: bool) -> Effect:
    """Judge the end of a store as well by whether it read its data when it came back, `as_meant` by the fault."""
    found = f"{effect.seen}, {'with its data' if with_data else 'empty'}"
    return Effect(effect.took_hold and with_data is as_meant, found)


def stood_still(states: Sequence[str]) -> Effect:
    """Judge a fault that freezes processes by their states just before they are thawed."""
    still = sum(state == STOPPED for state in states)
    return Effect(0 < still == len(states), f"{still} of {len(states)} processes stood still")


def refused(error: str, count: int) -> Effect:
    """Judge a fault in which the store takes no writes by how many commands it refused with that `error`."""
    return Effect(count > 0, f"{count} commands refused with {error}")


def slowed(answers_s: Sequence[float | None], carried: Sequence[int], delay_s: float) -> Effect:
    """Judge a slow network by a ping through each relay (None: no answer), and by whether each had `carried` anything before.

    What nobody's requests go through may be as slow as it likes.
    """
    least_s = 2.0 * delay_s * _TIMER_SLACK
    slow = all(answer_s is not None and answer_s >= least_s for answer_s in answers_s)
    told = " and ".join("never" if each is None else f"after {each * 1000.0:.0f} ms" for each in answers_s)
    return Effect(
        bool(answers_s) and slow and all(carried), f"pings answered {told}{_unless_used(all(carried))}"
    )


def cut_off(answered_s: float | None, carried: int, passed: int) -> Effect:
    """Judge a cut by a ping during it, by the bytes `carried` before it, and by those that `passed` all the same."""
    told = (
        "a ping not answered" if answered_s is None else f"a ping answered after {answered_s * 1000.0:.0f} ms"
    )
    held = answered_s is None and carried > 0 and passed == 0
    return Effect(held, f"{told}, {passed} bytes passed{_unless_used(carried > 0)}")


def _unless_used(used: bool) -> str:
    return "" if used else ", on a way that nobody had used"
