"""Operators enter no server of the store: what they do as a room is about to enter it waits, and else says what is missing."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.waitingroom.samples import settings
from waitingroom.errors import StoreUnavailable
from waitingroom.store.client import OnsaleStore
from waitingroom.store.operations import Action, OnsaleOperations

ANN = Action("ann", "test", "request-1")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever waits for a room wait for as long as a busy machine takes to enter the store."""
    monkeypatch.setattr("waitingroom.store.server._ENTERED_WITHIN_S", 30.0)


@pytest.mark.usefixtures("patient")
async def test_an_action_waits_for_the_room_that_enters_the_store(client: Redis) -> None:
    room = OnsaleStore(client, "cactus", settings())
    action = asyncio.create_task(OnsaleOperations(client, "cactus").change(ANN, "close"))
    await asyncio.sleep(0.2)
    assert not action.done()
    await room.advance()
    assert (await action).who == "ann"
    assert (await room.advance()).phase == "closed"


async def test_without_a_room_the_answer_says_who_is_missing(client: Redis) -> None:
    with pytest.raises(StoreUnavailable, match="no process of the waiting room has entered"):
        await OnsaleOperations(client, "cactus").change(ANN, "open")
    assert await client.keys("*") == []


@pytest.mark.usefixtures("patient")
async def test_an_action_is_taken_once_though_the_store_forgot_its_scripts(client: Redis) -> None:
    room = OnsaleStore(client, "cactus", settings())
    await room.advance()
    operations = OnsaleOperations(client, "cactus")
    await client.script_flush()
    action = asyncio.create_task(operations.change(ANN, "open"))
    await asyncio.sleep(0.2)
    await room.advance()
    await action
    assert len(await operations.audit(10)) == 1
