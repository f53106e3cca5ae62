"""Which copies of the counters a process takes, and that a document which changes in the meantime is put in force."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from tests.waitingroom.samples import KEYRING, device, onsale
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import OnsaleStore

FAST = {"rate": "50/s", "burst": 5, "claimWithin": "30s"}
SLOW = {"rate": "2/s", "burst": 5, "claimWithin": "30s"}


def make_room(client: Redis) -> Room:
    document = onsale(admission=FAST)
    store = OnsaleStore(client, document.name, room_settings(document))
    return Room(document, store, KEYRING, poll_budget_per_s=1_000)


async def test_buyers_see_the_line_move_when_the_stores_clock_has_gone_back(client: Redis) -> None:
    room = make_room(client)
    await room.move()
    await room.join(device(1))
    assert room.snapshot is not None
    room.snapshot = replace(room.snapshot, at_s=room.snapshot.at_s + 600.0)
    await client.hset("{cactus}:room", "tokens", "5")
    await room.refresh()
    assert room.snapshot.released == 1


async def test_an_answer_that_was_overtaken_changes_nothing(client: Redis) -> None:
    room = make_room(client)
    await room.move()
    assert room.snapshot is not None
    newer = room.snapshot = replace(room.snapshot, at_s=room.snapshot.at_s + 3.0)
    await room.refresh()
    assert room.snapshot is newer


async def test_a_document_that_changes_while_the_store_answers_is_put_in_force(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room(client)
    configure = room.configure

    async def configure_while_the_document_changes() -> None:
        await configure()
        monkeypatch.undo()
        room.change(onsale(admission=SLOW))

    monkeypatch.setattr(room, "configure", configure_while_the_document_changes)
    await room.move()
    await room.move()
    assert room.snapshot is not None
    assert room.snapshot.rate_per_s == 2.0


async def test_settings_that_did_not_arrive_are_written_again(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room(client)
    await room.move()
    room.change(onsale(admission=SLOW))

    async def fail() -> None:
        monkeypatch.undo()
        raise ConnectionError

    monkeypatch.setattr(room, "configure", fail)
    with pytest.raises(ConnectionError):
        await room.move()
    await room.move()
    assert room.snapshot is not None
    assert room.snapshot.rate_per_s == 2.0
