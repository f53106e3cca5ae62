"""When a waiting buyer should ask again: all together within the poll budget, and each before the own turn can be over.

By distance alone, a buyer with `ahead` people in front asks again after front x (1 + ahead / near) seconds: the further away, the
less often. `near` is one second's worth of the budget. Summed over a line of `waiting` people the rate of questions is the
integral of 1 / (front x (1 + a / near)), near x ln(1 + waiting / near) / front: so front = ln(1 + waiting / near) seconds keeps
the budget exactly. A short line doesn't use it up, however often it asks: there the shortest interval is what keeps a buyer from
hearing of the turn.

By distance alone, some of a long line that moves fast would be called and be late before they ask. So nobody is told more than
latest + ahead / fastest: as long as the people ahead need at the line's highest speed, and half of a claim window. Those far back
then ask more often than by their distance, and `front` grows until all together are within the budget again, to twice as long at
the most. Where that is not enough, the budget is too small for the line: `fastest` is then the highest speed at which nobody is
late.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from waitingroom.drawrecord import DrawnPool
from waitingroom.reach import Course, course_of
from waitingroom.snapshot import Snapshot

MIN_INTERVAL_S = 0.5
LONGEST_LINE = 10**9
_NEAR_S = 1.0
_RETURN_S = 4.0
_LONGEST_RETURN_S = 30.0
_JITTER = 0.2
_GOLDEN = 0.6180339887498949
_HEARD_AT = 0.5
"""Of a claim window, at which the mean buyer hears of a turn that came as soon as it could; with the spread it is 0.6."""
_FRONT_GROWS = 2.0
_SPARING = 4.0
_LONGER = 0.1
"""By so much the round after a draw takes longer than its questions need: it begins with all of the budget and ends with 5/6."""
_SLACK = 1.0 + 1e-6  # of the budget, for rounding
_HALVINGS = 40
_HIGHEST_BUDGET_PER_S = 1e7


@dataclass(frozen=True, slots=True)
class Asking:
    """How often those ask who wait in one line, worked out once for each copy of its counters.

    Attributes:
        waiting: how many wait.
        near: people in front within whom a buyer is near.
        front_s: how long the first in line waits between two questions.
        latest_s, latest_per_ahead_s: nobody waits longer, before the spread: so many seconds, and for each person ahead.
        round_s: how long a round of questions takes in which each asks once, so many a second as the budget has.
        in_time: whether the budget lets everybody hear of the turn in time, however soon it comes.
    """

    waiting: int
    near: float
    front_s: float
    latest_s: float
    latest_per_ahead_s: float
    round_s: float
    in_time: bool

    def interval_s(self, ahead: int) -> float:
        """Return the seconds between two questions of those with `ahead` people in front, before they are spread."""
        # Whoever joined after the counters were copied stands behind all that they know of.
        front_s = self.front_s if ahead <= self.waiting else math.log1p(ahead / self.near)
        by_distance_s = front_s * (1.0 + ahead / self.near)
        return max(MIN_INTERVAL_S, min(by_distance_s, self.latest_s + ahead * self.latest_per_ahead_s))

    def retry_after_s(self, ahead: int, salt: int) -> float:
        """Return the seconds until the next question of a buyer with `ahead` people in front.

        `salt` (the place's number) spreads buyers of one arrival evenly over +-20 %, so that they don't come back together.
        """
        return self.interval_s(ahead) * _jitter(salt)

    @property
    def mean_interval_s(self) -> float:
        """The seconds between two questions where nobody stands nearer than another."""
        return max(self.interval_s(0), self.round_s)

    def undrawn_retry_after_s(self, salt: int) -> float:
        """Return the seconds until the next question of a buyer who, as everybody in the line, awaits the draw."""
        return self.mean_interval_s * _jitter(salt)

    def after_draw_s(self, salt: int) -> float:
        """Return how many seconds after the draw a buyer who could not be told of it is to ask for it.

        Over the round, ever fewer ask for the first time, and leave room for those who ask again.
        """
        share = spread(salt)
        return self.mean_interval_s * share * (1.0 + _LONGER * share)

    @property
    def return_within_s(self) -> float:
        """Over how many seconds listeners whose streams end together spread their coming back.

        As their questions, but half a minute at the most: until then they ask, each as rarely as the budget wants it.
        """
        return min(max(self.mean_interval_s, _RETURN_S), _LONGEST_RETURN_S)

    @property
    def ends_s(self) -> list[float]:
        """What a client works out its own interval from: by distance of who is first and who is last, where no position is known,
        and at the latest for the first and the last. In between all grow evenly, and the shorter counts.
        """
        last_s = self.front_s * (1.0 + self.waiting / self.near)
        ends = [self.interval_s(0), max(MIN_INTERVAL_S, last_s), self.mean_interval_s]
        if self.latest_s < math.inf:
            ends += [self.latest_s, self.latest_s + self.waiting * self.latest_per_ahead_s]
        return ends


def asking_of(
    snapshot: Snapshot,
    budget_per_s: float,
    *,
    ceiling_per_s: float,
    claim_within_s: float,
    draw: DrawnPool | None = None,
) -> Asking:
    """Return how often those who wait in `snapshot` are to ask; `draw` is the one by which they stand, where there was one.

    While a pre-queue asks for its draw, those who have been told ask a quarter as often as they would: within the round those
    questions take up the budget.
    """
    sparing = draw is not None and snapshot.at_s < draw.record.drawn_at_s + _round_after_draw_s(
        draw.record.size, budget_per_s
    )
    course = course_of(snapshot, ceiling_per_s, claim_within_s)
    return asking_for(snapshot.waiting, budget_per_s, course, sparing=sparing)


def asking_for(
    waiting: int, budget_per_s: float, course: Course | None = None, *, sparing: bool = False
) -> Asking:
    """Return how often those in a line of `waiting` people are to ask, who together may ask `budget_per_s` questions/s.

    `course` is how soon turns come and go; without one only the distance counts. `sparing` leaves room for others' questions.
    """
    near = budget_per_s * _NEAR_S
    even_s = math.log1p(waiting / near)
    front_s = even_s * _SPARING if sparing else even_s
    latest_s, latest_per_ahead_s, in_time = math.inf, 0.0, True
    if course is not None and waiting > 0:
        latest_s = max(MIN_INTERVAL_S, _HEARD_AT * course.claim_within_s)
        latest_per_ahead_s = 1.0 / ((1.0 + _JITTER) * course.fastest_per_s)

        def is_within(front_s: float, latest_per_ahead_s: float) -> bool:
            asked = _asked_per_s(waiting, near, front_s, latest_s, latest_per_ahead_s)
            return asked <= budget_per_s * _SLACK

        longest_s = max(front_s, even_s * _FRONT_GROWS)
        in_time = is_within(longest_s, latest_per_ahead_s)
        if not in_time:
            front_s, least_s = longest_s, latest_per_ahead_s
            latest_per_ahead_s = _least(least_s, front_s / near, lambda each_s: is_within(front_s, each_s))
        elif not is_within(front_s, latest_per_ahead_s):
            front_s = _least(front_s, longest_s, lambda first_s: is_within(first_s, latest_per_ahead_s))
    return Asking(waiting, near, front_s, latest_s, latest_per_ahead_s, waiting / budget_per_s, in_time)


def longest_line(budget_per_s: float, course: Course) -> int:
    """Return how many may wait, all of them asking, with nobody late; `LONGEST_LINE` stands for any number."""
    # By the logarithm of how many, from the longest down.
    shorter = _least(
        0.0, math.log(LONGEST_LINE), lambda by: asking_for(_shortened(by), budget_per_s, course).in_time
    )
    return _shortened(shorter)


def budget_for(waiting: int, course: Course) -> float:
    """Return the least poll budget (questions/s) by which nobody in a line of `waiting` people is late."""
    exponent = _least(
        0.0, math.log(_HIGHEST_BUDGET_PER_S), lambda by: asking_for(waiting, math.exp(by), course).in_time
    )
    return math.exp(exponent)


def largest_draw(budget_per_s: float, claim_within_s: float) -> int:
    """Return how many may take part in a draw and ask for it, all of them within the first claim window."""
    return int(claim_within_s * budget_per_s / (1.0 + _LONGER))


def spread(salt: int) -> float:
    """Return a share in 0..1 by `salt`: those of any run of numbers are spread evenly."""
    # Fractions of multiples of the golden ratio are.
    return (salt * _GOLDEN) % 1.0


def _jitter(salt: int) -> float:
    return 1.0 + _JITTER * (2.0 * spread(salt) - 1.0)


def _round_after_draw_s(size: int, budget_per_s: float) -> float:
    return size / budget_per_s * (1.0 + _LONGER)


def _asked_per_s(
    waiting: int, near: float, front_s: float, latest_s: float, latest_per_ahead_s: float
) -> float:
    """Return how many questions/s a line asks: the integral of 1 / interval over it, in its two parts."""
    per_ahead_s = front_s / near
    # By distance the interval grows the faster of the two, or the other way round; at `bend` they are the same.
    faster_s = (per_ahead_s - latest_per_ahead_s) or 1e-12
    bend = min(max((latest_s - front_s) / faster_s, 0.0), waiting)
    first, then = (0.0, bend), (bend, float(waiting))
    by_distance, by_course = (first, then) if faster_s > 0.0 else (then, first)
    return (
        math.log((near + by_distance[1]) / (near + by_distance[0])) / per_ahead_s
        + math.log(
            (latest_s + latest_per_ahead_s * by_course[1]) / (latest_s + latest_per_ahead_s * by_course[0])
        )
        / latest_per_ahead_s
    )


def _least(low: float, high: float, suffices: Callable[[float], bool]) -> float:
    """Return the least value from `low` to `high` that suffices, by halving; `high` stands for one that does."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high


def _shortened(by: float) -> int:
    """Return the longest line, divided by e so many times."""
    return round(LONGEST_LINE / math.exp(by))
