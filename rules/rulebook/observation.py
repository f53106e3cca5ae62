"""What was seen at one moment: counts of replicas and one reading a signal. "No data" is a type here, not a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Value:
    """A number that was read; `at_s` is the sample's own time, as far as the source tells it."""

    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Missing:
    """No number: the source failed, had nothing, or was not asked. `reason` is for people.

    `answered` says that the source did, and that there was nothing, as with a latency without requests. Only that may be left
    out or count as zero on the way down: a source that fails says nothing about the shop.
    """

    reason: str
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the room of an onsale tells: arrivals (buyers/s), the backlog waiting, and the opening, if one is set.

    `sessions` counts the buyers in the shop, None where the room does not tell.
    """

    at_s: float
    arrivals_per_s: float
    backlog: int
    opens_at_s: float | None = None
    sessions: int | None = None


Reading: TypeAlias = Value | Missing | Crowd


@dataclass(frozen=True, slots=True)
class OnsaleTimes:
    """What schedules need of an onsale: its opening, and who waits and shops; None is what is not known."""

    opens_at_s: float | None = None
    backlog: int | None = None
    sessions: int | None = None

    @property
    def busy(self) -> bool:
        """Whether anybody is known to wait or to shop."""
        return bool(self.backlog) or bool(self.sessions)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a forecast expects a signal to reach within its horizon, made at `made_at_s`; frozen once it is made."""

    signal: str
    value: float
    made_at_s: float
    method: str


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a rule's target (`current` replicas wanted, `ready` of them) and its signals, by name.

    `onsales` gives the times of onsales that a schedule names and no signal reads; a crowd signal tells them by itself.
    `forecast` is the latest forecast, where the rule asks for one and there is one.
    """

    current: int
    ready: int
    readings: Mapping[str, Reading]
    onsales: Mapping[str, OnsaleTimes] = field(default_factory=dict)
    forecast: Expected | None = None


def usable(reading: Reading | None, now_s: float, max_age_s: float | None) -> Reading:
    """Turn whatever cannot be used into `Missing`: nothing at all, NaN, infinities, and what is older than `max_age_s`."""
    if reading is None:
        return Missing("no reading")
    if isinstance(reading, Missing):
        return reading
    at_s = reading.at_s
    if isinstance(reading, Value):
        finite = math.isfinite(reading.value)
    else:
        finite = math.isfinite(reading.arrivals_per_s) and math.isfinite(min(reading.backlog, 2**53))
    if not finite or not math.isfinite(at_s):
        return Missing("not a finite number", answered=True)
    if max_age_s is not None and now_s - at_s > max_age_s:
        return Missing(f"stale: {now_s - at_s:.1f} s old, more than {max_age_s:g} s")
    return reading
