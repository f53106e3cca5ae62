"""Which connections have said next to nothing for too long. Pure: what a connection is, and how it ends, others know.

Room, gate and scaler each watch their own connections by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import Final, Generic, TypeVar

HEAD_WITHIN_S: Final = 20.0
REST_WITHIN_S: Final = 75.0

Connection = TypeVar("Connection", bound=Hashable)


class Resting(Generic[Connection]):
    """Since when each connection has rested: from its beginning, or from the end of its last request."""

    def __init__(self, head_within_s: float = HEAD_WITHIN_S, rest_within_s: float = REST_WITHIN_S) -> None:
        self._head_within_s = head_within_s
        self._rest_within_s = rest_within_s
        self._busy: set[Connection] = set()
        self._asked: set[Connection] = set()
        self._since_s: dict[Connection, float] = {}

    def begin(self, connection: Connection) -> None:
        """Note that the whole head of a request has come."""
        self._busy.add(connection)
        self._asked.add(connection)
        self._since_s.pop(connection, None)

    def end(self, connection: Connection) -> None:
        """Note that the request has been answered."""
        self._busy.discard(connection)

    def overdue(
        self, connections: Collection[Connection], now_s: float, may_rest: Callable[[Connection], bool]
    ) -> list[Connection]:
        """Return which of all `connections` have to end at `now_s` (monotonic seconds), and forget those that are gone.

        Those which `may_rest` may do so for as long as they like, once a first request has come.
        """
        overdue = []
        for connection in connections:
            if connection in self._busy:
                continue
            since_s = self._since_s.setdefault(connection, now_s)
            if connection not in self._asked:
                late = now_s - since_s >= self._head_within_s
            else:
                late = now_s - since_s >= self._rest_within_s and not may_rest(connection)
            if late:
                overdue.append(connection)
        open_ones = set(connections)
        self._asked &= open_ones
        self._busy &= open_ones
        for gone in self._since_s.keys() - open_ones:
            del self._since_s[gone]
        return overdue
