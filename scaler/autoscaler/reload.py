"""Follows the documents on disk: looks each second whether they have changed, and reads them again then, or when told to.

They are read once two looks in a row have seen the same, so that a file which is being written counts when it is finished. This
module decides nothing about what is in force; `plan` does, and `crew` carries it out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from autoscaler.crew import Crew
from autoscaler.ending import end_tasks
from autoscaler.plan import remake_plan
from autoscaler.settings import ScalerSettings
from rulebook.filestamp import FileStamp, file_stamp

WATCH_EVERY_S = 1.0

Stamp = tuple[tuple[str, FileStamp], ...]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.scaler")


class Reloader:
    """Puts the documents in force as they change. Reading takes place off the event loop, one reading at a time."""

    def __init__(self, settings: ScalerSettings, crew: Crew) -> None:
        """Take the documents as they are now for those in force."""
        self._settings = settings
        self._crew = crew
        self._seen = stamp(settings.rules)
        self._busy = asyncio.Lock()
        self._wanted = asyncio.Event()

    def ask(self) -> None:
        """Have the documents read again, changed or not."""
        self._wanted.set()

    async def reload(self) -> None:
        """Put the documents as they are now in force, as far as they can be used."""
        async with self._busy:
            self._seen = await asyncio.to_thread(stamp, self._settings.rules)
            plan = await asyncio.to_thread(remake_plan, self._settings, self._crew.plan)
            await self._crew.follow(plan)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the documents for the time of the context."""
        task = asyncio.create_task(self._watch(), name="watch documents")
        try:
            yield
        finally:
            # It recalls memories from the store; whatever it has begun, the crew ends.
            await end_tasks([task])

    async def _watch(self) -> None:
        before = self._seen
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_EVERY_S):
                    await self._wanted.wait()
            try:
                asked = self._wanted.is_set()
                self._wanted.clear()
                now = await asyncio.to_thread(stamp, self._settings.rules)
                if asked or now == before != self._seen:
                    await self.reload()
                before = now
            except (
                Exception
            ):  # whatever it is, the rules in force go on, and the documents are looked at again
                _log.exception("documents_not_read")


def stamp(paths: Iterable[Path]) -> Stamp:
    """Tell the state of files and folders by the names and stamps of what is in them: a swapped `..data` shows too."""
    entries: list[tuple[str, FileStamp]] = []
    for path in paths:
        entries += _of(path)
        for folder, folders, names in os.walk(path, followlinks=False):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                entries += _of(Path(folder) / name)
            entries += _of(Path(folder) / "..data")
    return tuple(sorted(entries))


def _of(path: Path) -> list[tuple[str, FileStamp]]:
    found = file_stamp(path)
    return [] if found is None else [(str(path), found)]
