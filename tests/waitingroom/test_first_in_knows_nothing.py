"""P8: the first process at a store that has lost its data knows nothing: the others tell it what was lost, and it counts."""

from collections.abc import Iterator

import pytest

from tests.stores import Valkey, own_valkey
from tests.waitingroom.samples import device, onsale
from tests.waitingroom.test_draw_kept import lose, process
from waitingroom.room import Room
from waitingroom.store.client import ClaimOutcome, SessionTimes
from waitingroom.store.connect import connect
from waitingroom.store.operations import OnsaleOperations

ROOM = "{cactus}:room"
SHOP = {"rate": "0.01/s", "burst": 5, "claimWithin": "30s", "capacity": 5, "fallbackRate": "0.001/s"}


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with own_valkey(dbfilename="old.rdb") as server:
        yield server


async def set_fields(valkey: Valkey, **fields: str) -> None:
    client = connect(valkey.url)
    await client.hset(ROOM, mapping=fields)
    await client.aclose()


async def read_field(valkey: Valkey, field: str) -> str:
    client = connect(valkey.url)
    value = await client.hget(ROOM, field)
    await client.aclose()
    return str(value or "")


async def fill_shop(valkey: Valkey, room: Room) -> tuple[list[str], str]:
    """Have 40 join and five of them in the shop; returns their sessions, and a waiting buyer's token."""
    await room.move()
    joined = [await room.join(device(number)) for number in range(1, 41)]
    await set_fields(valkey, refilled_us="1000000")
    await room.refresh()
    for _, place in joined[:5]:
        assert (await room.claim(place)).outcome is ClaimOutcome.ADMITTED
    await room.refresh()
    return [room.session_of(place) for _, place in joined[:5]], joined[20][0]


async def test_nothing_is_released_before_the_processes_of_before_have_told_their_sessions(
    valkey: Valkey,
) -> None:
    document = onsale(admission=SHOP)
    async with process(valkey, document, None) as old, process(valkey, document, None) as fresh:
        await fill_shop(valkey, old)
        lose(valkey)
        await fresh.move()
        assert not await read_field(valkey, "lost_us")
        # The first call finds the new epoch, the second puts back what is missing there.
        await old.refresh()
        await old.refresh()
        assert await read_field(valkey, "lost_us")
        await set_fields(valkey, tokens="5")
        for room in (fresh, old, fresh):
            await room.refresh()
        assert int(float(await read_field(valkey, f"released:{old.snapshot.epoch}"))) == 5  # type: ignore[union-attr]
        # Of a full shop nobody more is let in once they have been told.
        await set_fields(valkey, lost_us=str(int(await read_field(valkey, "lost_us")) - 10_000_000))
        await set_fields(valkey, entered_us="1000000", tokens="5")
        await fresh.refresh()
        assert fresh.snapshot is not None
        assert (fresh.snapshot.sessions, fresh.snapshot.released) == (5, 5)
        assert fresh.snapshot.rate_reason == "data was lost, fallback"


async def test_a_buyers_place_tells_of_the_loss_for_a_minute_only(valkey: Valkey) -> None:
    document = onsale(admission=SHOP)
    async with process(valkey, document, None) as old:
        _, token = await fill_shop(valkey, old)
        later, _ = await old.join(device(99))
    lose(valkey)
    async with process(valkey, document, None) as fresh:
        await fresh.move()
        fresh.place(token)
        await fresh.refresh()
        told = await read_field(valkey, "lost_us")
        assert told
        await set_fields(valkey, entered_us="1000000", lost_us="1000001")
        fresh.place(later)
        await fresh.refresh()
        await fresh.refresh()
        assert fresh.snapshot is not None
        assert fresh.snapshot.tail == 41
        assert await read_field(valkey, "lost_us") == "1000001"


async def test_a_buyer_inside_whom_only_the_pass_knows_goes_on(valkey: Valkey) -> None:
    document = onsale(admission=SHOP)
    async with process(valkey, document, None) as old:
        sessions, _ = await fill_shop(valkey, old)
        at_s = old.snapshot.at_s if old.snapshot else 0.0
        times = SessionTimes(at_s + 60, at_s + 300)
    lose(valkey)
    async with process(valkey, document, None) as fresh:
        await fresh.move()
        # However long ago: a buyer who fills in a form asks for nothing.
        await set_fields(valkey, entered_us="1000000")
        assert await fresh.sessions.renew(dict.fromkeys(sessions, times)) == dict.fromkeys(sessions, True)
        await fresh.refresh()
        assert fresh.snapshot is not None
        assert fresh.snapshot.sessions == 5
        # Who was ended meanwhile is not put back by a gate which has not heard of it.
        await fresh.sessions.end(sessions[:1], "complete")
        assert not (await fresh.sessions.renew({sessions[0]: times}))[sessions[0]]


async def test_a_lost_session_that_the_shop_ends_is_not_put_back(valkey: Valkey) -> None:
    document = onsale(admission=SHOP)
    async with process(valkey, document, None) as old:
        sessions, _ = await fill_shop(valkey, old)
        at_s = old.snapshot.at_s if old.snapshot else 0.0
    lose(valkey)
    async with process(valkey, document, None) as fresh:
        await fresh.move()
        client = connect(valkey.url)
        ended = await OnsaleOperations(client, "cactus").end_session(None, "complete", sessions[0], 3_600)
        await client.aclose()
        assert not ended.live
        times = SessionTimes(at_s + 60, at_s + 300)
        assert not (await fresh.sessions.renew({sessions[0]: times}))[sessions[0]]


async def test_who_expired_in_a_store_that_was_rolled_back_goes_on(valkey: Valkey) -> None:
    document = onsale(admission=SHOP)
    async with process(valkey, document, None) as old:
        sessions, _ = await fill_shop(valkey, old)
        at_s = old.snapshot.at_s if old.snapshot else 0.0
        client = connect(valkey.url)
        # In what was saved, they had not been renewed yet.
        await client.zadd("{cactus}:sessions", dict.fromkeys(sessions, 1))
        await client.save()
        await client.aclose()
    valkey.kill()
    valkey.start()
    async with process(valkey, document, None) as fresh:
        await fresh.move()
        times = SessionTimes(at_s + 60, at_s + 300)
        assert all((await fresh.sessions.renew(dict.fromkeys(sessions[:2], times))).values())
        await set_fields(valkey, entered_us="1000000")
        assert not any((await fresh.sessions.renew(dict.fromkeys(sessions[2:], times))).values())


@pytest.mark.parametrize("first", ["one that knows less", "one that knows nothing"])
async def test_a_draw_waits_for_all_who_joined_before_the_store_was_lost(valkey: Valkey, first: str) -> None:
    document = onsale(opens_in_s=3_600, order="draw", admission={**SHOP, "capacity": 50})
    opened = onsale(opens_in_s=-1, order="draw", admission={**SHOP, "capacity": 50})
    async with (
        process(valkey, document, None) as less,
        process(valkey, document, None) as more,
        process(valkey, opened, None) as nothing,
    ):
        await less.move()
        places = [(await less.join(device(number)))[1] for number in range(1, 21)]
        await less.refresh()
        await more.refresh()
        places += [(await more.join(device(number)))[1] for number in range(21, 31)]
        lose(valkey)
        # The doors are open when it is back.
        less.change(opened)
        more.change(opened)
        await (less if first == "one that knows less" else nothing).move()
        assert not await read_field(valkey, "pool")
        late = (await nothing.join(device(99)))[1]
        for room in (more, less, more, less):
            await room.refresh()
        assert not await read_field(valkey, "pool")
        await set_fields(valkey, entered_us="1000000")
        for room in (more, less, nothing, more, less, nothing):
            await room.refresh()
        for room in (more, less, nothing):
            drawn = [room.standing(place).position or 0 for place in places]
            assert sorted(drawn) == list(range(1, 31))
            # Who came after the opening stands behind all of them.
            assert room.standing(late).position == 31


async def test_an_opening_that_is_put_off_again_takes_everybody_into_the_draw(valkey: Valkey) -> None:
    document = onsale(opens_in_s=-1, order="draw", admission=SHOP)
    async with process(valkey, document, None) as room:
        await room.move()
        first = (await room.join(device(1)))[1]
        room.change(onsale(opens_in_s=3_600, order="draw", admission=SHOP))
        await room.move()
        await room.refresh()
        second = (await room.join(device(2)))[1]
        await set_fields(valkey, entered_us="1000000", opens_us="1000000")
        await room.refresh()
        await room.refresh()
        assert {room.standing(place).position for place in (first, second)} == {1, 2}
        assert room.snapshot is not None
        assert [size for _, size in room.snapshot.pool] == [2]
