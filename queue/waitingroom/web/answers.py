"""The bodies of JSON answers, formatted by hand: fields are numbers, flags and texts known to need no escaping."""

from __future__ import annotations

import json
from typing import Any

from waitingroom.room import Room
from waitingroom.snapshot import Snapshot
from waitingroom.standing import Standing

WITHOUT_BEACON = (
    "No public beacon was announced for this draw: the operator knew the seed before anybody joined."
)
WITH_BEACON = "The seed is mixed with the value of a public beacon that was announced before, so nobody could know the draw."


def status_fields(room: Room, snapshot: Snapshot, number: int, epoch: int, standing: Standing) -> str:
    """Return the members of a buyer's status, without braces."""
    return buyer_members(number, epoch, standing) + snapshot_members(room, snapshot, stale=room.stale)


def buyer_members(number: int, epoch: int, standing: Standing) -> str:
    """Return the members which differ from buyer to buyer; each ends with a comma."""
    eta = standing.eta_s
    claim_by = "" if standing.claim_by_s is None else f'"claim_by":{standing.claim_by_s:.3f},'
    return (
        f'"state":"{standing.state}","number":{number},"epoch":{epoch},'
        f'"position":{_number(standing.position)},"ahead":{_number(standing.ahead)},'
        f'"eta_s":{"null" if eta is None else f"[{eta[0]:.0f},{eta[1]:.0f}]"},'
        f'"retry_after":{standing.retry_after_s:.2f},{claim_by}'
    )


def snapshot_members(room: Room, snapshot: Snapshot, *, stale: bool) -> str:
    """Return the members which are the same for all buyers who are answered from one snapshot."""
    # The free texts among the members: what operators say.
    more = f',"reason":{json.dumps(snapshot.hold)}' if snapshot.hold else ""
    more += f',"message":{json.dumps(snapshot.message)}' if snapshot.message else ""
    more += ',"soldout":true' if snapshot.soldout else ""
    more += "" if snapshot.opens_at_s is None else f',"opens":{snapshot.opens_at_s:.3f}'
    more += f',"draw":{_record(snapshot)}' if room.drawn else ""
    return (
        f'"onsale":"{room.name}","as_of":{snapshot.at_s:.6f},"stale":{"true" if stale else "false"},'
        f'"rate_per_s":{snapshot.rate_per_s:.3f},"released_per_s":{snapshot.released_per_s:.3f},'
        f'"waiting":{snapshot.waiting},"eta_reason":{room.eta.slowdown_json}{more}'
    )


class SnapshotText:
    """The `snapshot_members` of a room, put together once a snapshot and not for each buyer.

    Whatever else is the same for all of them belongs here too: a status then costs as before.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._of: Snapshot | None = None
        self._stale = False
        self._text = ""

    def text(self, snapshot: Snapshot) -> str:
        """Return the members; `snapshot` is the room's present one."""
        stale = self._room.stale
        if snapshot is not self._of or stale is not self._stale:
            self._text = snapshot_members(self._room, snapshot, stale=stale)
            self._of, self._stale = snapshot, stale
        return self._text


def state_document(room: Room, snapshot: Snapshot) -> str:
    """Return the onsale's public state: the same for everyone, and so cacheable."""
    return json.dumps(
        {
            "onsale": room.name,
            "title": dict(room.onsale.spec.title),
            "phase": snapshot.phase,
            "as_of": snapshot.at_s,
            "stale": room.stale,
            "epoch": snapshot.epoch,
            "tail": snapshot.tail,
            "released": snapshot.released,
            "claimed": snapshot.claimed,
            "no_shows": snapshot.no_shows,
            "waiting": snapshot.waiting,
            "late": snapshot.late,
            "sessions": snapshot.sessions,
            "capacity": snapshot.capacity,
            "rate_per_s": snapshot.rate_per_s,
            "rate_reason": snapshot.rate_reason,
            "burst": snapshot.burst,
            "arrivals_per_s": snapshot.arrivals_per_s,
            "released_per_s": snapshot.released_per_s,
            "claimed_per_s": snapshot.claimed_per_s,
            "eta_s": room.eta.range_s(snapshot.waiting),
            "eta_reason": room.eta.slowdown.fields() if room.eta.slowdown else None,
            "hold": snapshot.hold,
            "message": snapshot.message,
            "soldout": snapshot.soldout,
            "opens": snapshot.opens_at_s,
            "closes": snapshot.closes_at_s,
            "draw": draw_document(room, snapshot) if room.drawn else None,
        }
    )


def draw_document(room: Room, snapshot: Snapshot | None) -> dict[str, Any]:
    """Return what is public of the draw: what was announced, and from the opening on the record."""
    terms = room.onsale.spec.draw
    beacon = None
    if terms is not None:
        beacon = {"source": terms.beacon, "value": (snapshot.beacon if snapshot else "") or None}
    return {
        "onsale": room.name,
        "commitment": room.commitment,
        "beacon": beacon,
        "note": WITH_BEACON if beacon else WITHOUT_BEACON,
        "record": (snapshot.draw_record if snapshot else "") or None,
    }


def _record(snapshot: Snapshot) -> str:
    """Encode the record, which is base64url and dots."""
    return f'"{snapshot.draw_record}"' if snapshot.draw_record else "null"


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)
