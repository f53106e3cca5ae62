"""When a waiting buyer should ask again, so that all of them together stay within the poll budget whatever their number.

A buyer with `ahead` people in front asks again after c x (ahead + near) seconds: the further away, the less often. Summed over
a line of `waiting` people the rate of questions is the integral of 1 / (c x (a + near)) = ln(1 + waiting / near) / c, so
c = ln(1 + waiting / near) / budget holds it at the budget exactly. `near` is one second's worth of the budget. A short line
doesn't use the budget up, however often it asks: there the shortest interval is what keeps a buyer from hearing of the turn.
"""

from __future__ import annotations

import math

MIN_INTERVAL_S = 0.5
_NEAR_S = 1.0
_RETURN_S = 4.0
_LONGEST_RETURN_S = 30.0
_JITTER = 0.2
_GOLDEN = 0.6180339887498949


def retry_after_s(ahead: int, waiting: int, budget_per_s: float, salt: int) -> float:
    """Return the seconds until the next question of a buyer with `ahead` people in front, in a line of `waiting`.

    `salt` (the place's number) spreads buyers of one arrival evenly over +-20 %, so that they don't come back together.
    """
    return interval_s(ahead, waiting, budget_per_s) * _jitter(salt)


def undrawn_retry_after_s(waiting: int, budget_per_s: float, salt: int) -> float:
    """Return the seconds until the next question of a buyer who, as everybody in a line of `waiting`, awaits the draw."""
    return mean_interval_s(waiting, budget_per_s) * _jitter(salt)


def interval_s(ahead: int, waiting: int, budget_per_s: float) -> float:
    """Return the seconds between two questions of those with `ahead` people in front, before they are spread."""
    near = budget_per_s * _NEAR_S
    scale = math.log1p(max(waiting, ahead) / near) / budget_per_s
    return max(MIN_INTERVAL_S, scale * (ahead + near))


def mean_interval_s(waiting: int, budget_per_s: float) -> float:
    """Return the seconds between two questions where nobody stands nearer than another: a round of all `waiting`."""
    return max(interval_s(0, waiting, budget_per_s), waiting / budget_per_s)


def return_within_s(waiting: int, budget_per_s: float) -> float:
    """Return over how many seconds listeners in a line of `waiting` whose streams end together spread their coming back.

    As their questions, but half a minute at the most: until then they ask, each as rarely as the budget wants it.
    """
    return min(max(mean_interval_s(waiting, budget_per_s), _RETURN_S), _LONGEST_RETURN_S)


def spread(salt: int) -> float:
    """Return a share in 0..1 by `salt`: those of any run of numbers are spread evenly."""
    # Fractions of multiples of the golden ratio are.
    return (salt * _GOLDEN) % 1.0


def _jitter(salt: int) -> float:
    return 1.0 + _JITTER * (2.0 * spread(salt) - 1.0)
