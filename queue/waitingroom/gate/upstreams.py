"""The shop's replicas behind the gate: which one takes the next request.

The one with the fewest requests under way, at random among equals. The list is given, or read from a file which a process pool
or an operator rewrites; a file that cannot be read leaves the last list in force.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from yarl import URL

from rulebook.filestamp import FileStamp, file_stamp

WATCH_EVERY_S = 0.1

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Upstream:
    """One replica: its base URL and the requests it has under way from here."""

    url: URL
    under_way: int = 0


class Upstreams:
    """The replicas known now."""

    def __init__(self, urls: Iterable[str] = (), file: Path | None = None) -> None:
        self._replicas: dict[str, Upstream] = {}
        self._file = file
        self._read: FileStamp | None = None
        self._unreadable = False
        self._replace(urls)
        if file is not None:
            self.reread()

    def choose(self, without: frozenset[str] = frozenset()) -> Upstream | None:
        """Return the least busy replica, leaving out those (by URL) which were tried already; None if none is left."""
        candidates = [replica for name, replica in self._replicas.items() if name not in without]
        if not candidates:
            return None
        least = min(replica.under_way for replica in candidates)
        return random.choice([replica for replica in candidates if replica.under_way == least])

    def reread(self) -> None:
        """Read the file if it has changed since."""
        if self._file is None:
            return
        stamp = file_stamp(self._file)
        if stamp is not None and stamp == self._read:
            return
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            if not self._unreadable:
                log.warning("upstream_file_unreadable", file=str(self._file), reason=error.strerror)
                self._unreadable = True
                self._read = None
            return
        self._read, self._unreadable = stamp, False
        self._replace(line.strip() for line in lines if line.strip() and not line.startswith("#"))

    async def watch(self) -> None:
        """Follow the file for as long as the task lives."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            self.reread()

    def _replace(self, urls: Iterable[str]) -> None:
        old = self._replicas
        self._replicas = {url: old.get(url) or Upstream(URL(url)) for url in urls}
