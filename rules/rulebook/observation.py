"""What was seen at one moment: counts of replicas and one reading a signal. "No data" is a type here, not a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Value:
    """A number that was read; `at_s` is the sample's own time, as far as the source tells it."""

    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Missing:
    """No number: the source failed, had nothing, or was not asked. `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the room of an onsale tells: arrivals (buyers/s), the backlog waiting, and the opening, if one is set."""

    at_s: float
    arrivals_per_s: float
    backlog: int
    opens_at_s: float | None = None


Reading: TypeAlias = Value | Missing | Crowd


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a rule's target (`current` replicas wanted, `ready` of them) and its signals, by name."""

    current: int
    ready: int
    readings: Mapping[str, Reading]


def usable(reading: Reading | None, now_s: float, max_age_s: float | None) -> Reading:
    """Turn whatever cannot be used into `Missing`: nothing at all, NaN, infinities, and what is older than `max_age_s`."""
    if reading is None:
        return Missing("no reading")
    if isinstance(reading, Missing):
        return reading
    numbers = (
        (reading.value, reading.at_s)
        if isinstance(reading, Value)
        else (reading.arrivals_per_s, reading.at_s, min(reading.backlog, 2**53))
    )
    if not all(math.isfinite(number) for number in numbers):
        return Missing("not a finite number")
    age_s = now_s - reading.at_s
    if max_age_s is not None and age_s > max_age_s:
        return Missing(f"stale: {age_s:.1f} s old, more than {max_age_s:g} s")
    return reading
