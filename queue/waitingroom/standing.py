"""Where a place stands: the buyer's state, position, expected wait and next question, from a place and a snapshot alone.

Pure, and on the hot path of every status request. It doesn't know the store, cookies or languages.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from waitingroom.drawrecord import DrawnPool
from waitingroom.eta import NO_ETA, Eta
from waitingroom.places import Place
from waitingroom.polling import Asking, spread
from waitingroom.snapshot import Line, Snapshot
from waitingroom.turns import Turns

_LATE_RETRY_S = 3.0
_AFTER_OPENING_S = 0.5  # until the draw has been published, and this process has it
_DRAW_DUE_S = 10.0
"""A draw without a beacon is published within a second of the opening, a little later after a loss of the store."""


class State(StrEnum):
    """What a buyer is told."""

    PREQUEUE = "prequeue"
    WAITING = "waiting"
    RELEASED = "released"
    LATE = "late"
    ADMITTED = "admitted"
    HELD = "held"
    CLOSED = "closed"


class Standing(NamedTuple):
    """One buyer's answer. `position` and `ahead` are None where none is known yet; times in seconds.

    `claim_by_s` is the store's time until which a buyer whose turn has come may enter; None where it is not known.

    A tuple, as one is made for each question, and making a frozen dataclass takes twice the time.
    """

    state: State
    position: int | None
    ahead: int | None
    eta_s: tuple[float, float] | None
    retry_after_s: float
    claim_by_s: float | None = None


def locate(
    place: Place, snapshot: Snapshot, draw: DrawnPool | None, *, drawn: bool
) -> tuple[Line, int] | None:
    """Return the line in which the place stands and its position there; None while either is unknown here.

    In a room with a draw (`drawn`) no position is known before its record; the numbers joined before the opening are permuted,
    the others follow in order.
    """
    if drawn:
        if draw is None:
            return None
        position = draw.position(place.epoch, place.number)
        if position is not None:
            line = snapshot.line(draw.epoch)
            return None if line is None else (line, position)
    line = snapshot.line(place.epoch)
    return None if line is None else (line, place.number + line.shift)


def stand(
    place: Place,
    snapshot: Snapshot,
    draw: DrawnPool | None,
    *,
    drawn: bool,
    asking: Asking,
    eta: Eta = NO_ETA,
    turns: Turns | None = None,
) -> Standing:
    """Tell where `place` stands in `snapshot`, for how long, and when to ask again.

    `eta` and `asking` were made of the snapshot; `turns` knows since when those who may enter may do so.
    """
    salt = place.number
    found = locate(place, snapshot, draw, drawn=drawn)
    position = found[1] if found else None
    if found and found[1] <= found[0].released:
        if found[1] <= found[0].settled:
            return Standing(State.LATE, position, 0, None, _LATE_RETRY_S)
        retry = asking.retry_after_s(0, salt)
        claim_by_s = turns.claim_by_s(found[0].epoch, found[1]) if turns is not None else None
        return Standing(State.RELEASED, position, 0, None, retry, claim_by_s)
    if snapshot.closes_at_s is not None and snapshot.at_s >= snapshot.closes_at_s:
        return Standing(State.CLOSED, position, None, None, 60.0)
    ahead = _ahead(*found, snapshot) if found else None
    if snapshot.opens_at_s is not None and snapshot.at_s < snapshot.opens_at_s:
        # Before a draw everybody may be drawn to any position; without one the number tells.
        known = None if drawn else ahead
        wait_s = eta.prequeue_s if known is None else eta.range_s(known)
        return _before_opening(snapshot, salt, asking, known, wait_s)
    retry = asking.retry_after_s(ahead or 0, salt)
    if drawn and draw is None and _is_draw_far(snapshot):
        retry = max(retry, asking.undrawn_retry_after_s(salt))
    state = State.HELD if snapshot.hold else State.WAITING
    wait_s = eta.range_s(ahead) if ahead is not None else eta.prequeue_s if drawn and draw is None else None
    return Standing(state, position, ahead, wait_s, retry)


def _before_opening(
    snapshot: Snapshot,
    salt: int,
    asking: Asking,
    ahead: int | None,
    wait_s: tuple[float, float] | None,
) -> Standing:
    """Tell somebody who waits for the opening; `ahead` is None where the draw will tell.

    Each asks at the mean pace that the budget leaves, and again after the opening, when there is something to tell: those who
    know their number in the order of their turns, as in an open line, those who will be drawn over one round of questions
    of all. Before the draw nobody stands nearer than another, so no other spread keeps within the budget and serves the first
    drawn better. Whoever listens needs no question: the draw comes with the frame.
    """
    opens_in_s = (snapshot.opens_at_s or 0.0) - snapshot.at_s
    pace = asking.undrawn_retry_after_s(salt)
    after_s = asking.after_draw_s(salt) if ahead is None else asking.interval_s(ahead) * spread(salt)
    first_s = opens_in_s + _AFTER_OPENING_S + after_s
    return Standing(State.PREQUEUE, None, None, wait_s, pace if pace < opens_in_s else first_s)


def _is_draw_far(snapshot: Snapshot) -> bool:
    """Tell whether the draw waits for something, so that asking often would tell nobody anything."""
    return snapshot.awaits_beacon or snapshot.at_s > (snapshot.opens_at_s or 0.0) + _DRAW_DUE_S


def _ahead(line: Line, position: int, snapshot: Snapshot) -> int:
    older = sum(other.waiting for other in snapshot.lines if other.epoch < line.epoch)
    return older + position - line.released - 1
