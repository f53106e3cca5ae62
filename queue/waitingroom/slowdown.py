"""Why a wait has grown: a code with its figures, which a page translates, and an English text.

Pure. It judges by what the room knows: the operators' hold, the reason which came with the rate, and how full the shop is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from rulebook import SHOP_SLOW, read_ready
from waitingroom.pace import Pace
from waitingroom.snapshot import Snapshot

_SLOWER = 0.85
"""Told of below this share of the usual pace."""


class Cause(StrEnum):
    """What slows a line down."""

    HELD = "held"
    NONE_READY = "none_ready"
    STOPPED = "stopped"
    DRAW_PENDING = "draw_pending"
    SHOP_FULL = "shop_full"
    RECOVERING = "recovering"
    NO_TARGET = "no_target"
    OPERATOR = "operator"
    SHOP_SLOW = "shop_slow"
    FEWER_SERVERS = "fewer_servers"
    SLOWER = "slower"


_TEXTS = {
    Cause.HELD: "The line is paused: {reason}.",
    Cause.NONE_READY: "The shop is starting its servers; nobody is let in until one is ready.",
    Cause.STOPPED: "Nobody is let in just now.",
    Cause.DRAW_PENDING: "The draw waits for the public value which was announced: {reason}.",
    Cause.SHOP_FULL: (
        "The shop is full and everyone inside is taking longer: {rate_per_s:g} people a second get in "
        "instead of {usual_per_s:g}."
    ),
    Cause.RECOVERING: "The line is being put in order after a fault; it goes on within a minute.",
    Cause.NO_TARGET: (
        "We can't see how much the shop can take, so fewer are let in: {rate_per_s:g} a second instead of "
        "{usual_per_s:g}."
    ),
    Cause.OPERATOR: "The shop lets fewer people in: {rate_per_s:g} a second instead of {usual_per_s:g}.",
    Cause.SHOP_SLOW: "The shop is slower than usual: {rate_per_s:g} people a second instead of {usual_per_s:g}.",
    Cause.FEWER_SERVERS: (
        "Fewer of the shop's servers are ready ({ready} instead of {usual_ready}): {rate_per_s:g} people a second "
        "instead of {usual_per_s:g}."
    ),
    Cause.SLOWER: "The line moves slower than usual: {rate_per_s:g} people a second instead of {usual_per_s:g}.",
}


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A cause and its figures; None where they say nothing.

    `rate_per_s` and `usual_per_s` count positions a second, `reason` is an operator's text or a beacon's name.
    """

    cause: Cause
    rate_per_s: float | None = None
    usual_per_s: float | None = None
    ready: int | None = None
    usual_ready: int | None = None
    reason: str | None = None

    @property
    def text(self) -> str:
        """Say it in English."""
        return _TEXTS[self.cause].format(**asdict(self))

    def fields(self) -> dict[str, str | float]:
        """Return code, figures and text; figures that say nothing are left out."""
        names = ("rate_per_s", "usual_per_s", "ready", "usual_ready", "reason")
        figures = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {"code": self.cause.value, **figures, "text": self.text}


def explain(pace: Pace, snapshot: Snapshot) -> Slowdown | None:
    """Name what slows the line down; None while it moves as usual, or has nobody to move."""
    if snapshot.hold:
        return Slowdown(Cause.HELD, reason=snapshot.hold.rstrip("."))
    if snapshot.opens_at_s is not None and snapshot.at_s < snapshot.opens_at_s:
        return None
    if snapshot.awaits_beacon:
        return Slowdown(Cause.DRAW_PENDING, reason=snapshot.beacon_source)
    ready = read_ready(snapshot.rate_reason)
    if snapshot.rate_per_s <= 0.0:
        return Slowdown(Cause.NONE_READY, ready=0) if ready == 0 else Slowdown(Cause.STOPPED)
    if snapshot.waiting > 0 and snapshot.recovers_within_s > 0.0:
        return Slowdown(Cause.RECOVERING)
    flow, usual = pace.flow_per_s(snapshot), pace.usual_per_s
    if snapshot.waiting <= 0 or flow >= _SLOWER * usual:
        return None
    slower = Slowdown(_by_reason(snapshot.rate_reason), _figure(flow), _figure(usual))
    if pace.full > 0.5:
        return replace(slower, cause=Cause.SHOP_FULL)
    if ready is not None and pace.usual_ready is not None and ready < pace.usual_ready:
        return replace(slower, cause=Cause.FEWER_SERVERS, ready=ready, usual_ready=pace.usual_ready)
    return slower


def _by_reason(rate_reason: str) -> Cause:
    if rate_reason == "operator":
        return Cause.OPERATOR
    if rate_reason.startswith("data was lost"):
        return Cause.RECOVERING
    if rate_reason.endswith("no fresh target, fallback"):
        return Cause.NO_TARGET
    if SHOP_SLOW in rate_reason:
        return Cause.SHOP_SLOW
    return Cause.SLOWER


def _figure(per_s: float) -> float:
    """Round to what a person reads: two significant digits below ten, whole numbers above."""
    return float(f"{per_s:.2g}") if per_s < 10.0 else float(round(per_s))
