"""Who did what by the console, when, from where, and what came of it: in the log always, and in the store for the page.

The store holds three lists, shared by all scalers and bounded: what was done, or tried by somebody who may; what else people with
a token did, who come, go and are refused; and what strangers tried. So nobody pushes out what weighs more. The latter two are
written by way of a tally, and without waiting for the store. What could not be written there is kept in this process and written
later; the page says so meanwhile. No secret is in an entry.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from autoscaler.console.entries import Entry, read_entry, write_entry
from autoscaler.console.tally import TOLD_APART, Tally
from autoscaler.errors import StoreUnavailable
from autoscaler.store.shelves import Shelf, Shelves

ACTIONS: Final = Shelf("{scaler}:console:audit", kept=500)
PEOPLE: Final = Shelf("{scaler}:console:audit:people", kept=500)
STRANGERS: Final = Shelf("{scaler}:console:audit:strangers", kept=200)
SHOWN: Final = 200
"""Of each list."""
PEOPLE_TOLD_APART: Final = 200

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


class Audit:
    """The audit log of one console."""

    def __init__(self, shelves: Callable[[], Shelves]) -> None:
        self._actions = _Book(ACTIONS, shelves)
        self._people = _Book(PEOPLE, shelves, PEOPLE_TOLD_APART)
        self._strangers = _Book(STRANGERS, shelves)

    @property
    def error(self) -> str:
        """Why the newest entries are in this process and the log only; empty where they are in the store."""
        return self._actions.error or self._people.error or self._strangers.error

    async def note(self, entry: Entry) -> None:
        """Write down an action. Never raises: what was done is done."""
        self._actions.add(entry)
        await self._actions.write()

    def tell(self, entry: Entry, now_s: float) -> None:
        """Write down something else at `now_s` (monotonic), or count it; `carry_on` brings it to the store. Never raises."""
        book = self._people if entry.who else self._strangers
        told = book.tally.take(entry, now_s)
        if told is not None:
            book.add(told)

    async def carry_on(self, now_s: float) -> None:
        """Write what was only counted, where it is due at `now_s`, and what is not in the store yet. Never raises."""
        for book in (self._actions, self._people, self._strangers):
            for entry in book.tally.due(now_s):
                book.add(entry)
            await book.write()

    async def entries(self) -> tuple[Entry, ...]:
        """Return what people with a token did, newest first: of all scalers, or of this process where the store is away."""
        told = (*await self._actions.entries(), *await self._people.entries())
        return tuple(sorted(told, key=lambda entry: entry.at_s, reverse=True))

    async def strangers(self) -> tuple[Entry, ...]:
        """Return the same of those who are not known."""
        return await self._strangers.entries()


class _Book:
    """One of the lists, and what of it is not in the store yet."""

    def __init__(self, shelf: Shelf, shelves: Callable[[], Shelves], told_apart: int = TOLD_APART) -> None:
        self.tally = Tally(told_apart)
        self.error = ""
        self._shelf = shelf
        self._shelves = shelves
        self._unwritten: deque[Entry] = deque(maxlen=shelf.kept)
        self._writing = asyncio.Lock()

    def add(self, entry: Entry) -> None:
        """Say it in the log, and have it written next."""
        log = _log.warning if entry.outcome else _log.info
        log(
            "console_action", who=entry.who, what=entry.what, about=entry.about, detail=entry.detail,
            outcome=entry.outcome or "done", unsure=entry.unsure, client=entry.client, times=entry.times,
            request_id=entry.request_id,
        )  # fmt: skip
        self._unwritten.append(entry)

    async def write(self) -> None:
        """Bring to the store what is not there yet."""
        async with self._writing:
            while self._unwritten:
                entry = self._unwritten[0]
                try:
                    await self._shelves().put(self._shelf, [write_entry(entry)])
                except StoreUnavailable as error:
                    self.error = str(error)
                    return
                if self._unwritten and self._unwritten[0] is entry:  # others may have pushed it out meanwhile
                    self._unwritten.popleft()
            self.error = ""

    async def entries(self) -> tuple[Entry, ...]:
        """Return the newest first."""
        await self.write()
        waiting = tuple(reversed(self._unwritten))
        try:
            texts = await self._shelves().read(self._shelf, SHOWN)
        except StoreUnavailable as error:
            self.error = str(error)
            return waiting
        return (*waiting, *(entry for text in texts if (entry := read_entry(text)) is not None))
