"""How many buyers the shop can take now: so many for each *ready* replica, fewer while the shop is slow.

The factor follows AIMD, as TCP's congestion window does: down by a fifth an interval while the shop is slow, up by a
twentieth of the whole an interval afterwards. Without data about slowness it stays where it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rulebook.memory import Memory
from rulebook.observation import Observation, Value
from rulebook.recommend import read
from rulebook.rule import RuleSpec, SlowSignal

DECREASE: Final = 0.8
INCREASE: Final = 0.05
LEAST_FACTOR: Final = 0.1
SHOP_SLOW: Final = "shop slow"
_READY: Final = re.compile(r"(?:^|\s)(\d+) ready x ")
# A tick that comes a little early counts as a whole interval; otherwise a jittering loop would skip every other one.
_NEARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class AdmissionDecision:
    """How many buyers the shop can take now; `capacity` None means no bound by this rule."""

    rate_per_s: float
    capacity: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Slowness:
    """The factor on admission, when it last changed, and why it is what it is ("" while it is 1)."""

    factor: float
    changed_at_s: float | None
    detail: str
    slow: bool


def slowness(spec: RuleSpec, observation: Observation, memory: Memory, now_s: float) -> Slowness:
    """Move the factor by at most one step an interval, however often it is asked for."""
    if spec.admission is None or spec.admission.slow is None:
        return Slowness(1.0, None, "", False)
    slow = spec.admission.slow
    factor, changed_at_s = memory.slow_factor, memory.slow_at_s
    reading = read(spec.signal(slow.signal), observation, now_s)
    if not isinstance(reading, Value):
        detail = f"{slow.signal} is missing, factor {factor:.3g} kept" if factor < 1.0 else ""
        return Slowness(factor, changed_at_s, detail, False)
    elapsed_s = None if changed_at_s is None else now_s - changed_at_s
    due = elapsed_s is None or elapsed_s < 0 or elapsed_s >= _NEARLY * spec.interval_s
    is_slow = reading.value > slow.above
    moved = max(factor * DECREASE, LEAST_FACTOR) if is_slow else min(factor + INCREASE, 1.0)
    if due and moved != factor:
        factor, changed_at_s = round(moved, 6), now_s
    return Slowness(factor, changed_at_s, _detail(slow, reading.value, factor, is_slow=is_slow), is_slow)


def admit(spec: RuleSpec, ready: int, state: Slowness) -> AdmissionDecision | None:
    """Work out rate and capacity; None where the rule names no onsale."""
    admission = spec.admission
    if admission is None:
        return None
    ready = max(ready, 0)
    sessions = admission.sessions_per_ready_replica
    share = f"{ready} ready x {admission.per_ready_replica_per_s:g}/s"
    reason = (
        f"{state.detail}, {share}" if state.slow else share + (f", {state.detail}" if state.detail else "")
    )
    return AdmissionDecision(
        rate_per_s=admission.per_ready_replica_per_s * ready * state.factor,
        capacity=None if sessions is None else sessions * ready,
        reason=reason,
    )


def read_ready(reason: str) -> int | None:
    """Return how many replicas were ready by the reason that `admit` gave; None for another's reason."""
    found = _READY.search(reason)
    return int(found[1]) if found else None


def _detail(slow: SlowSignal, value: float, factor: float, *, is_slow: bool) -> str:
    if is_slow:
        return f"{SHOP_SLOW}: {slow.signal} {value:.3g} > {slow.above:g}, factor {factor:.3g}"
    return f"factor {factor:.3g} and rising" if factor < 1.0 else ""
