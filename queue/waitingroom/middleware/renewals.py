"""Passes in use, on their way to the room to be renewed, and the renewed ones on their way to their buyers.

Requests note and look up; one thread of the link's sends. A buyer who comes with an old pass is given the newest of its session.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from waitingroom.middleware.roomclient import RoomClient

BATCH = 100
_REMEMBERED = 50_000


class Renewals:
    """The passes of one process."""

    def __init__(self, client: RoomClient) -> None:
        self.renewed = 0
        self._client = client
        self._lock = threading.Lock()
        self._due: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._ended: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        self._sessions: dict[str, str] = {}
        self._newest: dict[str, str] = {}

    def note(self, onsale: str, session: str, token: str) -> None:
        """Note that a pass is in use and old enough to be renewed."""
        with self._lock:
            self._due[onsale].setdefault(session, token)

    def end(self, onsale: str, session: str, token: str, kind: str) -> None:
        """Note that the shop has ended a session."""
        with self._lock:
            self._due[onsale].pop(session, None)
            self._ended[onsale, kind][session] = token

    def newest(self, token: str) -> str:
        """Return the newest pass of a token's session, as far as is known here: the token itself, mostly."""
        session = self._sessions.get(token)
        return token if session is None else self._newest.get(session, token)

    def flush(self) -> None:
        """Send what has gathered.

        Raises:
            RoomUnreachable: the rest is kept for the next time.
        """
        with self._lock:
            all_ended, all_due = list(self._ended.items()), list(self._due.items())
        for (onsale, kind), passes in all_ended:
            for batch in self._batches(passes):
                self._client.end(onsale, list(batch.values()), kind)
                self._drop(passes, batch)
        for onsale, passes in all_due:
            for batch in self._batches(passes):
                renewed = self._client.renew(onsale, list(batch.values()))
                for (session, token), fresh in zip(batch.items(), renewed, strict=True):
                    if fresh is not None:
                        self._remember(session, token, fresh)
                self._drop(passes, batch)

    def _batches(self, passes: dict[str, str]) -> list[dict[str, str]]:
        with self._lock:
            items = list(passes.items())
        return [dict(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]

    def _drop(self, passes: dict[str, str], sent: dict[str, str]) -> None:
        with self._lock:
            for session in sent:
                passes.pop(session, None)

    def _remember(self, session: str, token: str, fresh: str) -> None:
        self.renewed += 1
        with self._lock:
            for known, key, value in (
                (self._sessions, token, session),
                (self._sessions, fresh, session),
                (self._newest, session, fresh),
            ):
                known.pop(key, None)
                known[key] = value
                while len(known) > _REMEMBERED:
                    del known[next(iter(known))]
