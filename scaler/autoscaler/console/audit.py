"""Who did what by the console, when, and what came of it: in the log always, and in the store for the page that shows it.

The store's list is shared by all scalers, and bounded. What could not be written there is kept in this process and written with
the next entry; the page says so meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from autoscaler.errors import StoreUnavailable
from autoscaler.store.shelves import Shelf, Shelves

SHELF: Final = Shelf("{scaler}:console:audit", kept=500)
SHOWN: Final = 200

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


@dataclass(frozen=True, slots=True)
class Entry:
    """One action: `about` is the service or onsale, `outcome` is empty where it was done, else why not."""

    at_s: float
    who: str
    what: str
    about: str
    detail: str
    outcome: str
    request_id: str


class Audit:
    """The audit log of one console."""

    def __init__(self, shelves: Callable[[], Shelves]) -> None:
        self._shelves = shelves
        self._unwritten: deque[Entry] = deque(maxlen=SHELF.kept)
        self._writing = asyncio.Lock()
        self.error = ""
        """Why the newest entries are in this process and the log only; empty where they are in the store."""

    async def note(self, entry: Entry) -> None:
        """Write an entry. Never raises: what was done is done."""
        _log.info(
            "console_action", who=entry.who, what=entry.what, about=entry.about, detail=entry.detail,
            outcome=entry.outcome or "done", request_id=entry.request_id,
        )  # fmt: skip
        self._unwritten.append(entry)
        async with self._writing:
            await self._write()

    async def entries(self) -> tuple[Entry, ...]:
        """Return the newest first, of all scalers on the store; of this process only, where it does not answer."""
        async with self._writing:
            await self._write()
            waiting = tuple(reversed(self._unwritten))
        try:
            texts = await self._shelves().read(SHELF, SHOWN)
        except StoreUnavailable as error:
            self.error = str(error)
            return waiting
        return (*waiting, *(entry for text in texts if (entry := _read(text)) is not None))

    async def _write(self) -> None:
        while self._unwritten:
            entry = self._unwritten[0]
            try:
                await self._shelves().put(SHELF, [json.dumps(asdict(entry))])
            except StoreUnavailable as error:
                self.error = str(error)
                return
            self._unwritten.popleft()
        self.error = ""


def _read(text: str) -> Entry | None:
    """Decode an entry; None for what is none."""
    try:
        return Entry(**json.loads(text))
    except (TypeError, ValueError):
        return None
