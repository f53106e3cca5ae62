"""How many buyers the shop can take now: so many for each *ready* replica, fewer while the shop is slow.

The factor follows AIMD, as TCP's congestion window does: down by a fifth while the shop is slow, up by a twentieth of the whole
an interval afterwards. As the buyers inside go on asking, a cut shows only after a while (`settle`): until then there is neither
another cut nor a raise. And as CUBIC does (RFC 9438), it rises slowly where the shop was slow the last time: most of the time is
spent just below what the shop takes, and little above it. Without data about slowness the factor stays where it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from rulebook.memory import Memory
from rulebook.observation import Observation, Value
from rulebook.recommend import read
from rulebook.rule import RuleAdmission, RuleSpec, SlowSignal

DECREASE: Final = 0.8
INCREASE: Final = 0.05
CAREFUL_INCREASE: Final = 0.01
CAREFUL_WITHIN: Final = (0.8, 1.05)
"""Of the factor at which the shop was slow the last time: there it rises carefully."""
LEAST_FACTOR: Final = 0.1
SHOP_SLOW: Final = "shop slow"
_READY: Final = re.compile(r"(?:^|\s)(\d+) ready x ")
# A tick that comes a little early counts as a whole interval; otherwise a jittering loop would skip every other one.
_NEARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Slowness:
    """The factor on admission, when it last changed, and why it is what it is ("" while it is 1).

    `cut_at_s` and `limit` are when it was last lowered, and from which factor that began; None while that is the whole rate.
    """

    factor: float
    changed_at_s: float | None
    detail: str
    slow: bool
    cut_at_s: float | None = None
    limit: float | None = None


NOT_SLOW: Final = Slowness(1.0, None, "", False)


@dataclass(frozen=True, slots=True)
class AdmissionDecision:
    """How many buyers the shop can take now, in buyers/s; `capacity` None means no bound by this rule.

    `slowness` is what it rests on besides the replicas that are ready.
    """

    rate_per_s: float
    capacity: int | None
    reason: str
    slowness: Slowness = NOT_SLOW


def slowness(spec: RuleSpec, observation: Observation, memory: Memory, now_s: float) -> Slowness:
    """Move the factor by at most one step an interval, however often it is asked for."""
    if spec.admission is None or spec.admission.slow is None:
        return NOT_SLOW
    slow = spec.admission.slow
    before = Slowness(
        memory.slow_factor, memory.slow_at_s, "", False, memory.slow_cut_at_s, memory.slow_limit
    )
    reading = read(spec.signal(slow.signal), observation, now_s)
    if not isinstance(reading, Value):
        detail = f"{slow.signal} is missing, factor {before.factor:.3g} kept" if before.factor < 1.0 else ""
        return replace(before, detail=detail)
    settle_s = slow.settle_s or spec.interval_s
    due = _passed(before.changed_at_s, spec.interval_s, now_s) and _passed(before.cut_at_s, settle_s, now_s)
    is_slow = reading.value > slow.above
    after = (_cut(before, now_s) if is_slow else _raise(before, now_s)) if due else before
    return replace(after, slow=is_slow, detail=_detail(slow, reading.value, after.factor, is_slow=is_slow))


def _passed(since_s: float | None, length_s: float, now_s: float) -> bool:
    """Whether so much time has passed; a clock that went back counts as if it had."""
    return since_s is None or now_s < since_s or now_s - since_s >= _NEARLY * length_s


def _cut(before: Slowness, now_s: float) -> Slowness:
    factor = round(max(before.factor * DECREASE, LEAST_FACTOR), 6)
    if factor == before.factor:
        return before
    # A cut right after a cut is about the same overload, which began at the limit known already.
    again = before.cut_at_s is not None and before.cut_at_s == before.changed_at_s
    limit = before.limit if again else (before.factor if before.factor < 1.0 else None)
    return replace(before, factor=factor, changed_at_s=now_s, cut_at_s=now_s, limit=limit)


def _raise(before: Slowness, now_s: float) -> Slowness:
    if before.factor >= 1.0:
        return before
    lowest, highest = CAREFUL_WITHIN
    careful = before.limit is not None and lowest * before.limit <= before.factor < highest * before.limit
    factor = round(min(before.factor + (CAREFUL_INCREASE if careful else INCREASE), 1.0), 6)
    return replace(before, factor=factor, changed_at_s=now_s, limit=None if factor >= 1.0 else before.limit)


def admit(spec: RuleSpec, ready: int, state: Slowness) -> AdmissionDecision | None:
    """Work out rate and capacity; None where the rule names no onsale."""
    return None if spec.admission is None else _admit(spec.admission, ready, state)


def readmit(spec: RuleAdmission, decided: AdmissionDecision, before: int, ready: int) -> AdmissionDecision:
    """Work out the same for other ready replicas than the `before` of the decision; the shop counts as slow as it was then.

    The reason has the words of `admit`: rooms read from them how many are ready, and whether the shop is slow.
    """
    again = _admit(spec, ready, decided.slowness)
    return replace(again, reason=f"{again.reason}, {before} at the last decision")


def read_ready(reason: str) -> int | None:
    """Return how many replicas were ready by a reason that `admit` or `readmit` gave; None for another's reason."""
    found = _READY.search(reason)
    return int(found[1]) if found else None


def _admit(spec: RuleAdmission, ready: int, state: Slowness) -> AdmissionDecision:
    ready = max(ready, 0)
    sessions = spec.sessions_per_ready_replica
    share = f"{ready} ready x {spec.per_ready_replica_per_s:g}/s"
    reason = (
        f"{state.detail}, {share}" if state.slow else share + (f", {state.detail}" if state.detail else "")
    )
    return AdmissionDecision(
        rate_per_s=spec.per_ready_replica_per_s * ready * state.factor,
        capacity=None if sessions is None else sessions * ready,
        reason=reason,
        slowness=state,
    )


def _detail(slow: SlowSignal, value: float, factor: float, *, is_slow: bool) -> str:
    if is_slow:
        return f"{SHOP_SLOW}: {slow.signal} {value:.3g} > {slow.above:g}, factor {factor:.3g}"
    return f"factor {factor:.3g} and rising" if factor < 1.0 else ""
