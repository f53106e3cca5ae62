"""The demo's crowd, sent to a running site: a process of its own, followed while it goes on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.runningsite import Site
from tidegate.demo.children import Child, start_child
from tidegate.demo.errors import ChildDied
from tidegate.demo.progress import Progress
from tidegate.demo.records import BuyerRecord, read_records
from tidegate.demo.shapes import Arrivals

OPENS_AFTER_S = 9.0
"""After the crowd was sent, which takes a second or two to start, and comes over the last eight seconds before the opening."""

_GRACE_S = 300.0  # it writes down what each buyer saw, and a crowd may be large


class Crowd:
    """A crowd on its way. `progress` is None until it has told of any."""

    def __init__(self, child: Child, records: Path) -> None:
        self.child = child
        self.progress: Progress | None = None
        self._records = records

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Follow it; when the block ends it is sent home, if it has not gone.

        Raises:
            ChildDied: it ended badly.
        """
        follower = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            await self.child.stop(_GRACE_S)
            await follower
        if self.child.process.returncode != 0 or not self._records.exists():
            raise ChildDied(f"crowd ended with status {self.child.process.returncode}{self.child.tail()}")

    def seen(self) -> list[BuyerRecord]:
        """Return what the buyers saw."""
        return read_records(BuyerRecord, self._records)

    async def _follow(self) -> None:
        assert self.child.process.stdout is not None
        async for text in self.child.process.stdout:
            self.progress = Progress(**json.loads(text))


async def send_crowd(
    site: Site, *, buyers: int, seconds: float, seed: int, arrivals: Arrivals = Arrivals.FESTIVAL
) -> Crowd:
    """Send so many buyers over so many seconds from the opening on, which is a few seconds ahead from now."""
    site.open_in(OPENS_AFTER_S)
    records = site.folder / "buyers.jsonl"
    endpoints = site.stack.endpoints
    command = [
        *(sys.executable, "-m", "tidegate.demo.crowd", "--room", endpoints.room, "--gate", endpoints.gate),
        *("--onsale", site.stack.documents.onsale.name, "--opens", repr(site.stack.opens_s)),
        *("--buyers", str(buyers), "--seconds", repr(seconds), "--seed", str(seed)),
        *("--arrivals", arrivals, "--out", str(records)),
    ]
    return Crowd(await start_child("crowd", command, site.folder, piped=True), records)
