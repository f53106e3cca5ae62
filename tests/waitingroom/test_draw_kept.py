"""P8: the draw's record outlives the store and every process: on disk, and with every buyer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rulebook import Onsale
from tests.stores import Valkey, own_valkey
from tests.waitingroom.living import living
from tests.waitingroom.samples import KEYRING, device, onsale
from waitingroom.drawfiles import DrawFiles
from waitingroom.drawrecord import DrawRecord, sign_record
from waitingroom.errors import StateUnwritable
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect

SHOP = {"rate": "0.01/s", "burst": 1, "claimWithin": "30s", "fallbackRate": "0.01/s"}


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with own_valkey() as server:
        yield server


@asynccontextmanager
async def process(valkey: Valkey, document: Onsale, files: DrawFiles | None) -> AsyncIterator[Room]:
    """Have the room of a process that has just been started."""
    client = connect(valkey.url)
    store = OnsaleStore(client, document.name, room_settings(document))
    try:
        yield Room(document, store, KEYRING, poll_budget_per_s=1_000, draw_files=files)
    finally:
        await client.aclose()


async def draw(
    valkey: Valkey, document: Onsale, files: DrawFiles | None
) -> tuple[list[Place], list[int], str]:
    """Have 20 buyers drawn; returns their places, their positions and the record."""
    async with process(valkey, document, files) as room:
        await room.refresh()
        places = [(await room.join(device(number)))[1] for number in range(1, 21)]
        client = connect(valkey.url)
        await client.hset("{cactus}:room", mapping={"opens_us": "1000000", "entered_us": "1000000"})
        await client.aclose()
        await room.refresh()
        await room.refresh()
        assert room.snapshot is not None
        return places, positions(room, places), room.snapshot.draw_record


def positions(room: Room, places: list[Place]) -> list[int]:
    return [room.standing(place).position or 0 for place in places]


def lose(valkey: Valkey) -> None:
    valkey.kill()
    valkey.forget()
    valkey.start()


def opened(document: Onsale) -> Onsale:
    """Return the document with its opening in the past, as it is for whoever starts later."""
    spec = document.spec
    assert spec.opens is not None
    assert spec.prequeue is not None
    times = {"opens": spec.opens - timedelta(hours=2), "prequeue": spec.prequeue - timedelta(hours=2)}
    return document.model_copy(update={"spec": spec.model_copy(update=times)})


async def test_all_processes_and_the_store_are_lost_and_the_draw_stands(
    valkey: Valkey, tmp_path: Path
) -> None:
    document = onsale(opens_in_s=3_600, order="draw", admission=SHOP)
    files = DrawFiles(tmp_path / "state")
    places, drawn, record = await draw(valkey, document, files)
    assert sorted(drawn) == list(range(1, 21))
    assert files.read("cactus") == record
    lose(valkey)
    async with process(valkey, opened(document), files) as room:
        newcomer = (await room.join(device(99)))[1]
        await room.refresh()
        await room.refresh()
        assert positions(room, places) == drawn
        assert room.snapshot is not None
        assert room.snapshot.draw_record == record
        # Who comes now stands behind all of them.
        assert room.standing(newcomer).ahead == 20
        assert [room.standing(place).ahead for place in places] == [position - 1 for position in drawn]


async def test_a_buyer_shows_the_record_to_a_room_that_knows_nothing(valkey: Valkey) -> None:
    document = onsale(opens_in_s=3_600, order="draw", admission=SHOP)
    places, drawn, record = await draw(valkey, document, None)
    lose(valkey)
    async with (
        process(valkey, opened(document), None) as room,
        process(valkey, opened(document), None) as other,
    ):
        await room.refresh()
        await other.refresh()
        assert room.standing(places[0]).position != drawn[0]
        assert room.put_back_draw(record)
        await room.refresh()
        assert positions(room, places) == drawn
        # The other process hears of it by the store.
        await other.refresh()
        assert positions(other, places) == drawn
        assert room.put_back_draw(record)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda record: record[:-4] + "AAAA", id="forged"),
        pytest.param(lambda record: "not.a.record", id="no record"),
        pytest.param(lambda _: signed(onsale="other"), id="of another onsale"),
        pytest.param(lambda _: signed(seed="00" * 32), id="of a seed that was not announced"),
        pytest.param(lambda _: signed(drawn_at_s=1_000.0), id="of an earlier sale"),
        pytest.param(lambda _: signed(pool=((1, 0),)), id="of nobody"),
    ],
)
async def test_only_the_record_of_this_sale_counts(valkey: Valkey, wrong: object) -> None:
    document = onsale(opens_in_s=3_600, order="draw", admission=SHOP)
    _, _, record = await draw(valkey, document, None)
    lose(valkey)
    async with process(valkey, opened(document), None) as room:
        await room.refresh()
        assert callable(wrong)
        assert not room.put_back_draw(wrong(record))
        await room.refresh()
        assert room.snapshot is not None
        assert room.snapshot.tail == 0


def signed(**changes: object) -> str:
    record = DrawRecord("cactus", ((1, 20),), KEYRING.draw_seeds["cactus"].hex(), drawn_at_s=4e9)
    return sign_record(replace(record, **changes), KEYRING)  # type: ignore[arg-type]


async def test_a_seed_that_was_published_before_is_reported_and_its_draw_not_taken_for_this_one(
    valkey: Valkey, tmp_path: Path
) -> None:
    files = DrawFiles(tmp_path)
    files.keep("cactus", signed(drawn_at_s=1_000.0))
    document = onsale(opens_in_s=3_600, order="draw", admission=SHOP)
    async with process(valkey, document, files) as room:
        assert room.seed_is_spent
        await room.refresh()
        assert room.snapshot is not None
        assert (room.snapshot.draw_record, room.snapshot.tail) == ("", 0)


def test_a_folder_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    files = DrawFiles(tmp_path / "file" / "state")
    assert not files.writable
    with pytest.raises(StateUnwritable, match=r"state folder .*state: Not a directory"):
        files.keep("cactus", "record")


def test_what_is_on_disk_is_whole_or_nothing(tmp_path: Path) -> None:
    files = DrawFiles(tmp_path / "state")
    assert files.read("cactus") == ""
    files.keep("cactus", "one")
    files.keep("cactus", "two")
    assert files.read("cactus") == "two"
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["draw.cactus.jws"]
    (tmp_path / "state" / "draw.cactus.jws").write_bytes(b"\xff\xfe")
    assert files.read("cactus") == ""


async def test_the_record_goes_to_buyers_and_comes_back_over_http(tmp_path: Path, valkey: Valkey) -> None:
    document = onsale(opens_in_s=3_600, order="draw", admission=SHOP)
    client = connect(valkey.url)
    async with living(tmp_path, valkey.url, document) as here, here.buyer() as buyer:
        async with buyer.post(f"{here.room}/cactus/join") as answer:
            assert (await answer.json())["draw"] is None
        await client.hset("{cactus}:room", "opens_us", "1000000")
        async with asyncio.timeout(30):
            while True:
                async with buyer.get(f"{here.room}/cactus/status") as answer:
                    status = await answer.json()
                if status["draw"]:
                    break
                await asyncio.sleep(0.02)
        async with buyer.post(f"{here.room}/cactus/draw", json={"record": status["draw"]}) as answer:
            assert answer.status == 200
            assert (await answer.json())["record"] == status["draw"]
        for body, expected in (({"record": "a.b.c"}, 422), ({}, 422), ({"record": 7}, 422)):
            async with buyer.post(f"{here.room}/cactus/draw", json=body) as answer:
                assert answer.status == expected
                assert answer.content_type == "application/problem+json"
    await client.aclose()
    assert (tmp_path / "state" / "draw.cactus.jws").read_text().strip() == status["draw"]
