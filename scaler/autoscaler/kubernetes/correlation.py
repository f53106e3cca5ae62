"""Turns what is to be said about objects into Event objects, as client-go's correlator does (tools/record/events_cache.go).

The same again is counted; many of one reason which differ only in their words become one; and nobody says more than so much
about one object. One thing differs: the budget is kept per reason, so that a metric which fails all day leaves room for the
word that the target was scaled. Pure: time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, Generic, Literal, TypeVar

SIMILAR: Final = 10
"""So many different texts of one reason are said in full; from then on they are combined."""
SIMILAR_S: Final = 600.0
"""A reason that was silent for longer starts over."""
BURST: Final = 25
REFILL_PER_S: Final = 1 / 300
KEPT: Final = 4096
"""Of each kind of record; the ones least lately used are forgotten."""
COMBINED: Final = "(combined from similar events): "

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to be said about an object, which `subject` tells from all others."""

    subject: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A remark as an Event: its name, how often it was made, and when first and last."""

    key: tuple[str, ...]
    name: str
    remark: Remark
    count: int
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class _Similar:
    texts: frozenset[str]
    last_s: float


@dataclass(frozen=True, slots=True)
class _Budget:
    left: float
    at_s: float


class Correlator:
    """Remembers what was said."""

    def __init__(self) -> None:
        self._similar: _Recent[_Similar] = _Recent()
        self._budgets: _Recent[_Budget] = _Recent()
        self._said: _Recent[Occurrence] = _Recent()
        self._names = 0

    def correlate(self, remark: Remark, now_s: float) -> Occurrence | None:
        """Return the Event to be created or counted up; None when enough has been said."""
        if not self._may_speak(remark, now_s):
            return None
        remark, key = self._combine(remark, now_s)
        before = self._said.get(key)
        if before is None:
            occurrence = Occurrence(key, self._name(remark, now_s), remark, 1, now_s, now_s)
        else:
            occurrence = replace(before, remark=remark, count=before.count + 1, last_s=now_s)
        self._said.put(key, occurrence)
        return occurrence

    def _may_speak(self, remark: Remark, now_s: float) -> bool:
        key = (remark.subject, remark.type, remark.reason)
        budget = self._budgets.get(key) or _Budget(BURST, now_s)
        left = min(BURST, budget.left + max(now_s - budget.at_s, 0.0) * REFILL_PER_S)
        self._budgets.put(key, _Budget(left - 1 if left >= 1 else left, now_s))
        return left >= 1

    def _combine(self, remark: Remark, now_s: float) -> tuple[Remark, tuple[str, ...]]:
        group = (remark.subject, remark.type, remark.reason)
        similar = self._similar.get(group)
        texts = (
            similar.texts if similar is not None and now_s - similar.last_s <= SIMILAR_S else frozenset[str]()
        )
        known = texts | {remark.message}
        if len(known) < SIMILAR:
            self._similar.put(group, _Similar(known, now_s))
            return remark, (*group, remark.message)
        self._similar.put(group, _Similar(texts, now_s))
        return replace(remark, message=COMBINED + remark.message), group

    def _name(self, remark: Remark, now_s: float) -> str:
        """A name of its own: the object's, and the moment with a number behind it."""
        self._names += 1
        return f"{remark.subject.rpartition('/')[2][:200]}.{int(now_s * 1e6):x}.{self._names:x}"


class _Recent(Generic[V]):
    """The records used last."""

    def __init__(self) -> None:
        self._records: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        return self._records.get(key)

    def put(self, key: tuple[str, ...], value: V) -> None:
        self._records[key] = value
        self._records.move_to_end(key)
        if len(self._records) > KEPT:
            self._records.popitem(last=False)
