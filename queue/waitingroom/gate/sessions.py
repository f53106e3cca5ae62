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
        """Send what has gathered; what cannot be sent, or is cut short, is kept for the next time."""
        for onsale, kind in list(self._ended):
            await self._tell_ended(onsale, kind)
        for onsale in list(self._renewed):
            await self._tell_renewed(onsale)

    async def _tell_ended(self, onsale: str, kind: EndKind) -> None:
        sessions = self._ended.pop((onsale, kind))
        room = self._rooms.get(onsale)
        if room is None:
            return
        try:
            await room.sessions.end(sessions, kind)
        except asyncio.CancelledError:
            # The process ends, and says it once more then: if the store has heard it already, that changes nothing.
            self._ended[onsale, kind] |= sessions
            raise
        except StoreUnavailable as error:
            self._ended[onsale, kind] |= sessions
            log.warning("sessions_kept", onsale=onsale, reason=str(error))

    async def _tell_renewed(self, onsale: str) -> None:
        ends = self._renewed.pop(onsale)
        room = self._rooms.get(onsale)
        if room is None or not ends:
            return
        try:
            for session, live in (await room.sessions.renew(ends)).items():
                if not live:
                    self._over.put(session, True)
        except asyncio.CancelledError:
            self._renewed[onsale] = {**ends, **self._renewed[onsale]}
            raise
        except StoreUnavailable as error:
            self._renewed[onsale] = {**ends, **self._renewed[onsale]}
            log.warning("sessions_kept", onsale=onsale, reason=str(error))

    async def run(self) -> None:
        """Flush for as long as the task lives."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except Exception:  # renewals must go on for as long as buyers are inside
                log.exception("sessions_failed")
