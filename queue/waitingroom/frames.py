"""Frames for Server-Sent Events: an onsale's public counters, serialised once for all who listen.

A listener who is slow misses frames and gets the newest one: each frame says everything.
"""

from __future__ import annotations

import asyncio
import json

from waitingroom.eta import Eta
from waitingroom.polling import Asking
from waitingroom.snapshot import Snapshot

HEARTBEAT = b"event: alive\ndata: 1\n\n"
"""A sign of life which a page can see: comments are kept from it."""
HEARTBEAT_EVERY_S = 15.0
_DRAW_TOLD_FOR_S = 30.0
"""How long frames carry the draw's record, about 500 bytes. Whoever has heard none in that time asks for the status anyway."""


class Frames:
    """The newest frame of an onsale, and the wait for the next one.

    Each frame says how to spread questions where the frames end for all at once, within the poll budget.
    """

    def __init__(self) -> None:
        self._frame = b""
        self._shown: object = None
        self._serial = 0
        self._fresh = asyncio.Event()
        self._closed = False
        self._drawn_at_s: float | None = None

    @property
    def newest(self) -> tuple[int, bytes]:
        """The newest frame with its serial; 0 and an empty one before the first."""
        return self._serial, self._frame

    def close(self) -> None:
        """Send all listeners away: they come back, to another process if this one is going."""
        self._closed = True
        self._fresh.set()

    def publish(self, snapshot: Snapshot, eta: Eta, asking: Asking | None = None) -> None:
        """Make a frame of a snapshot, unless it would say what the last one said."""
        shown = (
            snapshot.lines,
            snapshot.hold,
            snapshot.rate_per_s,
            bool(snapshot.draw_record),
            snapshot.phase,
            snapshot.message,
            snapshot.soldout,
            snapshot.opens_at_s,
            eta.slowdown_json,
        )
        if shown == self._shown:
            return
        self._shown = shown
        self._serial += 1
        record = self._record_to_tell(snapshot)
        self._frame = _frame(snapshot, eta, self._serial, record, asking)
        self._fresh.set()
        self._fresh = asyncio.Event()

    def _record_to_tell(self, snapshot: Snapshot) -> str | None:
        """Return the draw's record while it is news: all who listen work out their positions at once, and need not ask."""
        if not snapshot.draw_record:
            return None
        if self._drawn_at_s is None:
            self._drawn_at_s = snapshot.at_s
        return snapshot.draw_record if snapshot.at_s - self._drawn_at_s <= _DRAW_TOLD_FOR_S else None

    async def after(self, serial: int) -> tuple[int, bytes]:
        """Return the newest frame with its serial once there is a newer one than `serial`; a heartbeat if none comes.

        An empty frame says that there will be no more.
        """
        if self._serial <= serial:
            try:
                async with asyncio.timeout(HEARTBEAT_EVERY_S):
                    await self._fresh.wait()
            except TimeoutError:
                return serial, HEARTBEAT
        if self._closed:
            return serial, b""
        return self._serial, self._frame


def _frame(snapshot: Snapshot, eta: Eta, serial: int, record: str | None, asking: Asking | None) -> bytes:
    waiting = snapshot.waiting
    data = json.dumps(
        {
            "as_of": snapshot.at_s,
            "lines": [
                [line.epoch, line.released, line.settled, line.tail + line.shift] for line in snapshot.lines
            ],
            "waiting": waiting,
            "ask_s": None if asking is None else [round(each_s, 1) for each_s in asking.ends_s],
            "rate_per_s": snapshot.rate_per_s,
            "released_per_s": snapshot.released_per_s,
            "hold": snapshot.hold,
            "phase": snapshot.phase,
            "message": snapshot.message,
            "soldout": snapshot.soldout,
            "opens": snapshot.opens_at_s,
            "drawn": bool(snapshot.draw_record),
            # A listener works out the own range: between the knots (people ahead) both ends are straight lines.
            "eta": {
                "ahead": [round(knot, 1) for knot in eta.knots],
                "low_s": [round(low) for low in eta.low_s],
                "high_s": [round(high) for high in eta.high_s],
                "steps_s": [round(step) for step in eta.steps_s],
            }
            if eta.knots
            else None,
        },
        separators=(",", ":"),
    )
    drawn = "" if record is None else f',"draw":"{record}"'
    data = f'{data[:-1]},"eta_reason":{eta.slowdown_json}{drawn}}}'
    return f"id: {serial}\nevent: line\ndata: {data}\n\n".encode()
