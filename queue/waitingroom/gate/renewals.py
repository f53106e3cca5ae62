"""Renewals of sessions on their way from the gate to the store, in batches; and the sessions the store says are over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

import structlog

from waitingroom.errors import StoreUnavailable
from waitingroom.memo import Memo
from waitingroom.room import Room

FLUSH_EVERY_S = 1.0
_OVER_REMEMBERED = 50_000

log = structlog.get_logger(__name__)


class Renewals:
    """Collects renewals of all onsales; `run` sends them once a second."""

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._rooms = rooms
        self._pending: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._over: Memo[bool] = Memo(_OVER_REMEMBERED)

    def add(self, onsale: str, session: str, ends_at_s: float) -> None:
        """Note that a session goes on until `ends_at_s` (unix seconds)."""
        self._pending[onsale][session] = ends_at_s

    def is_over(self, session: str) -> bool:
        """Tell whether the store is known to have ended this session."""
        return self._over.get(session) is not None

    async def flush(self) -> None:
        """Send what has gathered; what cannot be sent is kept for the next time."""
        pending, self._pending = self._pending, defaultdict(dict)
        for onsale, sessions in pending.items():
            try:
                live = await self._rooms[onsale].renew(sessions)
            except StoreUnavailable as error:
                log.warning("renewals_kept", onsale=onsale, sessions=len(sessions), reason=str(error))
                self._pending[onsale] = {**sessions, **self._pending[onsale]}
                continue
            for session, still_live in live.items():
                if not still_live:
                    self._over.put(session, True)

    async def run(self) -> None:
        """Flush for as long as the task lives."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except Exception:  # renewals must go on for as long as buyers are inside
                log.exception("renewals_failed")
