"""P8: a store that comes back with older data: the document, what operators set last and the order of the line stay in force."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.stores import Valkey, own_valkey
from tests.waitingroom.samples import device, onsale
from tests.waitingroom.test_draw_kept import lose, process
from waitingroom import following
from waitingroom.audit import Action
from waitingroom.room import Room
from waitingroom.standing import State
from waitingroom.store.client import ClaimOutcome
from waitingroom.store.connect import connect
from waitingroom.store.operations import OnsaleOperations

ANN = Action("ann", "test", "request-1")
SHOP = {"rate": "50/s", "burst": 5, "claimWithin": "30s"}


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with own_valkey(dbfilename="old.rdb") as server:
        yield server


async def save(valkey: Valkey) -> None:
    client = connect(valkey.url)
    await client.save()
    await client.aclose()


def roll_back(valkey: Valkey) -> None:
    valkey.kill()
    valkey.start()


async def room_hash(valkey: Valkey) -> dict[str, str]:
    client = connect(valkey.url)
    fields: dict[str, str] = await client.hgetall("{cactus}:room")
    await client.aclose()
    return fields


async def operate(valkey: Valkey, *arguments: str) -> None:
    client = connect(valkey.url)
    await OnsaleOperations(client, "cactus").change(ANN, "set", arguments)
    await client.aclose()


async def settle(valkey: Valkey, *processes: Room) -> None:
    """Let everybody put back what they know, and the time pass in which they may."""
    for _ in range(2):
        for room in processes:
            await room.move()
    client = connect(valkey.url)
    await client.hset("{cactus}:room", "entered_us", "1000000")
    await client.aclose()
    for _ in range(2):
        for room in processes:
            await room.move()


def slower(**spec: Any) -> Any:
    return onsale(admission={**SHOP, "rate": "2/s"}, **spec)


async def test_the_document_in_force_goes_before_an_older_one_in_the_store(valkey: Valkey) -> None:
    async with process(valkey, onsale(admission=SHOP), None) as room:
        await room.move()
        await save(valkey)
        room.change(slower(opens_in_s=3_600))
        await room.move()
        roll_back(valkey)
        await room.move()
        # At once, so that nobody is let in by what the store remembers.
        assert (await room_hash(valkey))["rate"] == "2.0"
        assert room.snapshot is not None
        await settle(valkey, room)
        assert room.snapshot.rate_per_s == 2.0
        assert room.snapshot.phase == "prequeue"


async def test_the_document_in_force_comes_back_though_another_process_enters_first(valkey: Valkey) -> None:
    async with (
        process(valkey, onsale(admission=SHOP), None) as room,
        process(valkey, onsale(admission=SHOP), None) as other,
    ):
        await room.move()
        await save(valkey)
        await other.move()
        room.change(slower())
        await room.move()
        # The other one has not read the change yet, and sees that it doesn't count here.
        await other.move()
        roll_back(valkey)
        await other.refresh()
        assert (await room_hash(valkey))["rate"] == "50.0"
        with capture_logs() as logs:
            await settle(valkey, room, other)
        assert [entry["event"] for entry in logs].count("document_put_back") == 1
        assert (await room_hash(valkey))["rate"] == "2.0"
        for each in (room, other):
            assert each.snapshot is not None
            assert each.snapshot.rate_per_s == 2.0


async def test_a_document_that_another_process_overrides_for_long_is_told(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(valkey, slower(), None) as room, process(valkey, onsale(admission=SHOP), None) as old:
        await room.move()
        await old.move()
        with capture_logs() as logs:
            await room.refresh()
            await room.refresh()
            assert logs == []
            monkeypatch.setattr(following, "_DIFFERS_FOR_S", 0.0)
            await room.refresh()
            await room.refresh()
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [
            ("document_overridden", "warning")
        ]
        # Neither takes it back from the other: two would go on doing so for ever.
        assert room.snapshot is not None
        assert room.snapshot.rate_per_s == 50.0


@pytest.mark.parametrize("first", ["who knows", "who knows nothing"])
async def test_the_last_change_by_an_operator_stays(valkey: Valkey, first: str) -> None:
    document = onsale(admission=SHOP)
    async with process(valkey, document, None) as room, process(valkey, document, None) as fresh:
        await room.move()
        await operate(valkey, "hold", "broken", "ops_rate", "5.0", "message", "soon")
        await operate(valkey, "hold", "", "message", "")
        await room.refresh()
        await save(valkey)
        await operate(valkey, "hold", "payment is down", "ops_rate", "2.0")
        await room.refresh()
        roll_back(valkey)
        await settle(valkey, *((room, fresh) if first == "who knows" else (fresh, room)))
        kept = await room_hash(valkey)
        assert (kept["hold"], kept["ops_rate"], kept["message"]) == ("payment is down", "2.0", "")
        for each in (room, fresh):
            assert each.snapshot is not None
            assert each.snapshot.phase == "held"


async def test_what_an_operator_set_after_a_process_looked_last_is_not_taken_back_by_it(
    valkey: Valkey,
) -> None:
    async with process(valkey, onsale(admission=SHOP), None) as room:
        await room.move()
        await operate(valkey, "hold", "broken")
        await operate(valkey, "hold", "")
        await room.refresh()
        await operate(valkey, "hold", "payment is down")
        await save(valkey)
        roll_back(valkey)
        await settle(valkey, room)
        assert (await room_hash(valkey))["hold"] == "payment is down"


async def test_a_record_that_the_store_has_lost_is_put_back_before_another_is_signed(valkey: Valkey) -> None:
    document = onsale(opens_in_s=-1, order="draw", admission=SHOP)
    async with process(valkey, document, None) as room, process(valkey, document, None) as fresh:
        await room.move()
        await room.join(device(1))
        await settle(valkey, room)
        record = (await room_hash(valkey))["draw"]
        client = connect(valkey.url)
        await client.hdel("{cactus}:room", "draw")
        await client.save()
        await client.aclose()
        roll_back(valkey)
        await settle(valkey, fresh, room)
        assert (await room_hash(valkey))["draw"] == record


async def test_a_line_in_which_somebody_stands_keeps_its_order_though_a_process_starts_with_another(
    valkey: Valkey,
) -> None:
    slow = {**SHOP, "rate": "0.001/s"}
    fifo = onsale(opens_in_s=-1, admission=slow)
    drawn = onsale(opens_in_s=-1, order="draw", draw={"beacon": "drand round 1"}, admission=slow)
    async with process(valkey, fifo, None) as running, process(valkey, drawn, None) as started:
        await running.move()
        places = [(await running.join(device(number)))[1] for number in range(1, 21)]
        client = connect(valkey.url)
        await client.hset("{cactus}:room", mapping={"refilled_us": "1000000"})
        await client.aclose()
        await running.refresh()
        assert (await running.claim(places[0])).outcome is ClaimOutcome.ADMITTED
        with capture_logs() as logs:
            await settle(valkey, started, running)
        assert [entry["event"] for entry in logs] == ["order_kept"]
        kept = await room_hash(valkey)
        assert (kept["order"], kept["beacon_source"], kept.get("pool", "")) == ("fifo", "", "")
        assert not started.drawn
        told = [started.standing(place) for place in places]
        assert [standing.position for standing in told] == list(range(1, 21))
        assert [s.state for s in told] == [State.RELEASED] * 5 + [State.WAITING] * 15
        others = [running.standing(place) for place in places]
        assert [s[:2] for s in told] == [s[:2] for s in others]
        # All data are lost, and the one with the other document is the first to enter.
        lose(valkey)
        await settle(valkey, started, running)
        assert (await room_hash(valkey))["order"] == "fifo"
        assert [started.standing(place).position for place in places] == list(range(1, 21))


async def test_the_order_comes_back_though_one_that_never_saw_it_enters_an_empty_store(
    valkey: Valkey,
) -> None:
    drawn = onsale(opens_in_s=-1, order="draw", admission=SHOP)
    async with (
        process(valkey, onsale(opens_in_s=-1, admission=SHOP), None) as running,
        process(valkey, drawn, None) as started,
    ):
        await running.move()
        places = [(await running.join(device(number)))[1] for number in range(1, 21)]
        await running.refresh()
        lose(valkey)
        await started.move()
        assert (await room_hash(valkey))["order"] == "draw"
        await settle(valkey, running, started)
        assert (await room_hash(valkey))["order"] == "fifo"
        assert [started.standing(place).position for place in places] == list(range(1, 21))


async def test_before_anybody_has_joined_the_order_is_that_of_the_latest_document_everywhere(
    valkey: Valkey,
) -> None:
    drawn = onsale(opens_in_s=3_600, order="draw", draw={"beacon": "drand round 1"}, admission=SHOP)
    async with (
        process(valkey, onsale(opens_in_s=3_600, admission=SHOP), None) as running,
        process(valkey, drawn, None) as started,
    ):
        await running.move()
        await started.move()
        await running.refresh()
        for room in (running, started):
            assert room.drawn
            assert room.snapshot is not None
            assert room.snapshot.beacon_source == "drand round 1"
            assert room.commitment
