"""Each onsale's revocations are heard by themselves: one whose part of the store is away, or slow, holds up no other."""

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from waitingroom import revocations
from waitingroom.errors import StoreUnavailable
from waitingroom.revocations import Revocations
from waitingroom.room import Room
from waitingroom.store.connect import StoreClient
from waitingroom.store.operations import Revocation


class Operations:
    """Tells one session of each onsale when first asked; `away` and `slow` ones tell nothing."""

    away: frozenset[str] = frozenset()
    slow: frozenset[str] = frozenset()

    def __init__(self, client: StoreClient, onsale: str) -> None:
        self.onsale = onsale

    async def revocations(self, after: str) -> list[Revocation]:
        if self.onsale in self.slow:
            await asyncio.Event().wait()
        if self.onsale in self.away:
            raise StoreUnavailable("slot without a server")
        return [] if after else [Revocation("1-1", self.onsale, f"session-{self.onsale}", "revoke")]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(revocations, "OnsaleOperations", Operations)
    monkeypatch.setattr(revocations, "FOLLOW_EVERY_S", 0.01)
    monkeypatch.setattr(Operations, "away", frozenset())
    monkeypatch.setattr(Operations, "slow", frozenset())
    return []


def following(told: list[str]) -> Revocations:
    rooms = cast("dict[str, Room]", dict.fromkeys("abc"))
    return Revocations(rooms, cast("Any", None), told.append)


async def listen(heard: Revocations, told: list[str], sessions: int) -> None:
    async with asyncio.timeout(30):
        while len(told) < sessions:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["away", "slow"])
async def test_one_that_does_not_answer_holds_up_no_other(
    told: list[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(Operations, how, frozenset({"a"}))
    heard = following(told)
    with capture_logs() as logs:
        task = asyncio.create_task(heard.run())
        await listen(heard, told, 2)
        await asyncio.sleep(0.05)
        if how == "away":
            assert not heard.connected
        monkeypatch.setattr(Operations, how, frozenset())
        if how == "away":
            await listen(heard, told, 3)
            async with asyncio.timeout(30):
                while not heard.connected:
                    await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sorted(told)[:3] == [f"session-{name}" for name in ("abc" if how == "away" else "bc")]
    unreachable = [line for line in logs if line["event"] == "revocations_unreachable"]
    assert [line["onsale"] for line in unreachable] == (["a"] if how == "away" else [])
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left
