"""What a gate has to tell of sessions is told in the end, whatever happens while it is being said."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from waitingroom.gate.sessions import Sessions
from waitingroom.store.client import EndKind, SessionTimes

WITHIN_S = 20
TIMES = SessionTimes(1_000.0, 2_000.0)


class Store:
    """Stands for the sessions of a room, whose store gives no answer, or fails once, until it is `well`."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.well = False
        self.asked = asyncio.Event()
        self.ended: set[tuple[str, EndKind]] = set()
        self.renewed: list[str] = []
        self._failure = failure

    async def end(self, sessions: Iterable[str], kind: EndKind) -> dict[str, bool]:
        await self._answer()
        self.ended |= {(session, kind) for session in sessions}
        return {}

    async def renew(self, sessions: dict[str, SessionTimes]) -> dict[str, bool]:
        await self._answer()
        self.renewed += sessions
        return {}

    async def _answer(self) -> None:
        if self.well:
            return
        self.asked.set()
        if self._failure is not None:
            self.well = True
            raise self._failure
        await asyncio.Event().wait()


def told_to(store: Store) -> Sessions:
    return Sessions(cast("Any", {"cactus": SimpleNamespace(sessions=store)}))


@pytest.mark.parametrize("first", ["ends", "renewals"])
async def test_what_was_being_told_when_the_process_ends_is_told_at_last(first: str) -> None:
    store = Store()
    sessions = told_to(store)
    sessions.renew("cactus", "stays", TIMES)
    ends: set[tuple[str, EndKind]] = (
        {("bought", "complete"), ("left", "abandon")} if first == "ends" else set()
    )
    for session, kind in ends:
        sessions.end("cactus", session, kind)
    sending = asyncio.create_task(sessions.flush())
    await asyncio.wait_for(store.asked.wait(), WITHIN_S)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    store.well = True
    await sessions.flush()
    assert (store.ended, store.renewed) == (ends, ["stays"])
    await sessions.flush()
    assert store.renewed == ["stays"]


async def test_what_breaks_one_call_takes_nothing_from_the_others_and_does_not_come_back() -> None:
    store = Store(RuntimeError("broken"))
    sessions = told_to(store)
    sessions.end("cactus", "breaks", "complete")
    sessions.end("cactus", "left", "abandon")
    sessions.renew("cactus", "stays", TIMES)
    with pytest.raises(RuntimeError, match="broken"):
        await sessions.flush()
    await sessions.flush()
    assert (store.ended, store.renewed) == ({("left", "abandon")}, ["stays"])
