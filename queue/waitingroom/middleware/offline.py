"""Checker, keys and clock together: what each adapter asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from rulebook import Onsale
from waitingroom.middleware.checker import Asked, Checker, Verdict
from waitingroom.middleware.keys import Keys


class OfflineGate:
    """The gate of a shop's own process."""

    def __init__(self, onsales: Iterable[Onsale], keys: Keys, *, room_url: str) -> None:
        self._checker = Checker(onsales, room_url=room_url)
        self._keys = keys

    def check(self, asked: Asked) -> Verdict:
        """Judge a request, fetching keys first where that is due."""
        verdict = self._check(asked)
        if self._keys.is_due(verdict.unknown_kid):
            self._keys.refresh(verdict.unknown_kid)
            verdict = self._check(asked)
        return verdict

    async def acheck(self, asked: Asked) -> Verdict:
        """Judge a request, fetching keys first, in a thread, where that is due."""
        verdict = self._check(asked)
        if self._keys.is_due(verdict.unknown_kid):
            await asyncio.to_thread(self._keys.refresh, verdict.unknown_kid)
            verdict = self._check(asked)
        return verdict

    def _check(self, asked: Asked) -> Verdict:
        return self._checker.check(asked, self._keys.reader, self._keys.kids, time.time())
