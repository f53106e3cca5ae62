"""Who leads, and where the leader's console is found: the leader writes its address to the store, the others read it there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from autoscaler.console.settings import is_address
from autoscaler.console.views import Said
from autoscaler.errors import AutoscalerError
from autoscaler.leadership.standing import Leadership
from autoscaler.store.shelves import Shelf, Shelves

TELL_EVERY_S: Final = 20.0
KNOWN_FOR_S: Final = 90.0


class LeaderAddress:
    """The address of the leader's console, as far as it is known; `here` is that of our own."""

    def __init__(self, here: str, leadership: Callable[[], Leadership], *, writes: bool) -> None:
        self.here = here
        self._leadership = leadership
        self._writes = writes
        self._told_s = float("-inf")
        self._found: tuple[str, str] = ("", "")

    @property
    def elsewhere(self) -> str:
        """The leader's address where that is another one than ours; empty for ours, and for an unknown one."""
        holder, address = self._found
        known = holder and holder == self._leadership().holder and address != self.here
        return address if known else ""

    async def carry_on(self, shelves: Shelves) -> None:
        """Tell or ask, if it is time to. Never raises: the next call is the better retry."""
        leadership = self._leadership()
        if not leadership.elected:
            return
        try:
            if leadership.is_leading():
                await self._tell(shelves, leadership.identity)
            elif leadership.holder:
                texts = await shelves.read(_shelf(leadership.holder))
                address = texts[0] if texts and is_address(texts[0]) else ""
                self._found = (leadership.holder, address)
        except AutoscalerError:
            return

    async def _tell(self, shelves: Shelves, identity: str) -> None:
        now_s = time.monotonic()
        if self._writes and now_s - self._told_s >= TELL_EVERY_S:
            await shelves.put(_shelf(identity), [self.here])
            self._told_s = now_s


def standing(leadership: Leadership) -> Said:
    """Say whether this scaler acts."""
    if not leadership.elected:
        return Said("Acting alone", "good")
    if leadership.is_leading():
        return Said(f"Leads, term {leadership.term}", "good", leadership.identity)
    return Said(f"Standing by; {leadership.holder or 'nobody'} leads", "warning", leadership.identity)


def _shelf(identity: str) -> Shelf:
    return Shelf(f"{{scaler}}:console:at:{identity}", kept=1, kept_for_s=KNOWN_FOR_S)
