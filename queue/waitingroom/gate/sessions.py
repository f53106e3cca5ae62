"""What a gate has to tell the store of sessions, in batches: which go on, which the shop has ended; and which are over.

A session ended here is refused here at once; the store frees its capacity with the next batch, and tells all other gates.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

import structlog

from rulebook.memo import Memo
from waitingroom.errors import StoreUnavailable
from waitingroom.room import Room
from waitingroom.store.client import EndKind, SessionTimes

FLUSH_EVERY_S = 0.5
_OVER_REMEMBERED = 50_000

log = structlog.get_logger(__name__)


class Sessions:
    """Renewals and ends of all onsales on their way to the store; `run` sends them."""

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._rooms = rooms
        self._renewed: defaultdict[str, dict[str, SessionTimes]] = defaultdict(dict)
        self._ended: defaultdict[tuple[str, EndKind], set[str]] = defaultdict(set)
        self._over: Memo[bool] = Memo(_OVER_REMEMBERED)

    def renew(self, onsale: str, session: str, times: SessionTimes) -> None:
        """Note until when a session goes on, and its hard end as the pass tells it."""
        self._renewed[onsale][session] = times

    def end(self, onsale: str, session: str, kind: EndKind = "complete") -> None:
        """Note that the shop has ended a session."""
        self._renewed[onsale].pop(session, None)
        self._ended[onsale, kind].add(session)
        self._over.put(session, True)

    def revoked(self, session: str) -> None:
        """Note that a session was ended elsewhere; the store knows."""
        for renewed in self._renewed.values():
            renewed.pop(session, None)
        for room in self._rooms.values():
            room.sessions.forget(session)
        self._over.put(session, True)

    def is_over(self, session: str) -> bool:
        """Tell whether this session is known to have ended."""
        return self._over.get(session) is not None

    async def flush(self) -> None:
        """Send what has gathered; what cannot be sent is kept for the next time."""
        renewed, self._renewed = self._renewed, defaultdict(dict)
        ended, self._ended = self._ended, defaultdict(set)
        for (onsale, kind), sessions in ended.items():
            room = self._rooms.get(onsale)
            if room is None:
                continue
            try:
                await room.sessions.end(sessions, kind)
            except StoreUnavailable as error:
                log.warning("sessions_kept", onsale=onsale, reason=str(error))
                self._ended[onsale, kind] |= sessions
        for onsale, ends in renewed.items():
            room = self._rooms.get(onsale)
            if room is None or not ends:
                continue
            try:
                for session, live in (await room.sessions.renew(ends)).items():
                    if not live:
                        self._over.put(session, True)
            except StoreUnavailable as error:
                log.warning("sessions_kept", onsale=onsale, reason=str(error))
                self._renewed[onsale] = {**ends, **self._renewed[onsale]}

    async def run(self) -> None:
        """Flush for as long as the task lives."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except Exception:  # renewals must go on for as long as buyers are inside
                log.exception("sessions_failed")
