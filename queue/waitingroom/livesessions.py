"""The sessions of one onsale which this process knows to be live: renewed, ended, and told to a store that has lost them.

Whether a pass holds is not known here (see `gate.checkpoint`); the store alone counts what sessions take of the capacity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from waitingroom.passes import SKEW_S
from waitingroom.snapshot import Snapshot
from waitingroom.store.client import EndKind, OnsaleStore, SessionTimes

_FEW = 1_000


class LiveSessions:
    """Sessions by id. `longest_s` tells how long a session may last, so for how long gates need to hear of one that ended."""

    def __init__(self, store: OnsaleStore, longest_s: Callable[[], float]) -> None:
        self.told_epoch = 0
        """The newest epoch to which our sessions have been told."""
        self._store = store
        self._longest_s = longest_s
        self._live: dict[str, SessionTimes] = {}
        self._many = _FEW

    @property
    def remembered(self) -> int:
        """How many sessions are remembered, some of which may have expired."""
        return len(self._live)

    def note(self, session: str, times: SessionTimes) -> None:
        """Remember a live session, to put it back if the store loses it."""
        self._live[session] = times

    def forget(self, session: str) -> None:
        """Forget a session that was ended elsewhere: it is not to be put back."""
        self._live.pop(session, None)

    async def renew(self, sessions: dict[str, SessionTimes]) -> dict[str, bool]:
        """Move the ends of live sessions; False for one that is over.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        self._live.update(sessions)
        renewed = await self._store.renew(sessions)
        for session, live in renewed.items():
            if not live:
                self.forget(session)
        return renewed

    async def end(self, sessions: Iterable[str], kind: EndKind = "complete") -> dict[str, bool]:
        """End sessions, free their capacity and let every gate hear of it; False for one that was not live.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        ended = list(sessions)
        for session in ended:
            self.forget(session)
        return await self._store.end(ended, kind, keep_s=self._longest_s() + 2 * SKEW_S)

    async def tell(self, snapshot: Snapshot) -> None:
        """Tell a new epoch the sessions seen here; those that have ended meanwhile are forgotten.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        is_told = snapshot.epoch == self.told_epoch
        if is_told and len(self._live) < self._many:
            return
        # Most sessions are ended by nobody, they expire. Looked for when there are twice as many as there were live ones.
        self._live = {
            session: times for session, times in self._live.items() if times.expires_at_s > snapshot.at_s
        }
        self._many = max(_FEW, 2 * len(self._live))
        if is_told:
            return
        if self.told_epoch and self._live:
            await self._store.restore(self._live)
        self.told_epoch = snapshot.epoch
