"""P8: `kill -9` of the store, with or without its data: no place lost, no number issued twice, order kept."""

import itertools
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from rulebook import Onsale
from tests.stores import Valkey, own_valkey
from tests.waitingroom.samples import KEYRING, device, onsale
from waitingroom.errors import StoreUnavailable
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.standing import State
from waitingroom.store.client import ClaimOutcome, OnsaleStore
from waitingroom.store.connect import connect

SECOND_US = 1_000_000
SHOP = {"rate": "10/s", "burst": 5, "claimWithin": "30s", "fallbackRate": "1/s"}


@pytest.fixture(params=["all data kept", "all data lost", "rolled back"])
def loss(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def valkey(loss: str) -> Iterator[Valkey]:
    options = {
        "all data kept": {"appendonly": "yes", "appendfsync": "always"},
        "rolled back": {"dbfilename": "old.rdb"},
    }
    with own_valkey(**options.get(loss, {})) as server:
        yield server


class Hall:
    """Several processes' rooms of one onsale over one store which can be lost."""

    def __init__(self, valkey: Valkey, loss: str, document: Onsale, processes: int = 2) -> None:
        self.valkey = valkey
        self.loss = loss
        self.clients = [connect(valkey.url) for _ in range(processes)]
        self.rooms = [self._room(client, document) for client in self.clients]
        self.numbers = itertools.count(1)

    @staticmethod
    def _room(client: Redis, document: Onsale) -> Room:
        store = OnsaleStore(client, document.name, room_settings(document))
        return Room(document, store, KEYRING, poll_budget_per_s=1_000)

    async def join(self, count: int, room: int = 0) -> list[Place]:
        return [(await self.rooms[room].join(device(next(self.numbers))))[1] for _ in range(count)]

    async def refresh(self, times: int = 2) -> None:
        """Take so many copies in each process; by the last, the time has passed in which they put back what they know."""
        for left in reversed(range(times)):
            if not left:
                await self.clients[0].hset("{cactus}:room", "entered_us", "1000000")
            for room in self.rooms:
                await room.refresh()

    async def save(self) -> None:
        """The moment to which a rolled-back store will return."""
        if self.loss == "rolled back":
            await self.clients[0].save()

    async def fill_bucket(self, seconds: float) -> None:
        await self.clients[0].hincrbyfloat("{cactus}:room", "refilled_us", -seconds * SECOND_US)

    async def end_recovery(self) -> None:
        """Let the time pass for which nothing is released after a loss of data."""
        lost = float(await self.clients[0].hget("{cactus}:room", "lost_us") or 0)
        if lost:
            await self.clients[0].hset("{cactus}:room", "lost_us", str(int(lost - 10 * SECOND_US)))

    async def open_doors(self) -> None:
        """Move the opening into the past."""
        await self.clients[0].hset("{cactus}:room", "opens_us", "1000000")
        await self.refresh(3)

    def lose(self) -> None:
        self.valkey.kill()
        if self.loss == "all data lost":
            self.valkey.forget()

    async def __aenter__(self) -> "Hall":
        return self

    async def __aexit__(self, *exception: object) -> None:
        for client in self.clients:
            await client.aclose()


async def order_of(hall: Hall, places: list[Place], room: int) -> list[int]:
    """Return the positions of `places` as people ahead of each, from one process's copy."""
    standings = [hall.rooms[room].standing(place) for place in places]
    assert all(standing.ahead is not None for standing in standings)
    return [standing.ahead or 0 for standing in standings]


async def test_no_place_is_lost_no_number_given_twice_and_the_order_kept(valkey: Valkey, loss: str) -> None:
    # So slow that nobody's turn comes while we look, however slow this machine is: ten go at once, and then nobody.
    slow = {**SHOP, "rate": "0.01/s", "burst": 10, "fallbackRate": "0.01/s"}
    async with Hall(valkey, loss, onsale(admission=slow)) as hall:
        before = await hall.join(20)
        await hall.fill_bucket(2_000)
        await hall.refresh()
        await hall.save()
        unseen = await hall.join(
            10, room=1
        )  # joined after the last copy of the other process, and after what was saved
        told = [place for place in before if hall.rooms[0].standing(place).state is State.RELEASED]
        assert len(told) == 10

        hall.lose()
        with pytest.raises(StoreUnavailable):
            await hall.rooms[0].refresh()
        with pytest.raises(StoreUnavailable):
            await hall.rooms[0].join(device(999))
        # Status goes on from the last copy.
        assert hall.rooms[0].standing(before[-1]).state is State.WAITING
        valkey.start()

        after = await hall.join(10)
        await hall.refresh(3)
        places = before + unseen + after
        assert len({(place.epoch, place.number) for place in places}) == len(places)
        assert {place.epoch for place in after}.isdisjoint({place.epoch for place in before})
        for room in (0, 1):
            waiting = before[10:] + unseen + after
            # Time goes on while this is looked at: some may have been released since, from the front.
            states = [hall.rooms[room].standing(place).state for place in waiting]
            released = states.count(State.RELEASED)
            assert states[:released] == [State.RELEASED] * released
            ahead = await order_of(hall, waiting[released:], room)
            assert ahead == list(range(len(ahead)))
            # Who was told "your turn" still is.
            assert {hall.rooms[room].standing(place).state for place in told} == {State.RELEASED}


async def test_nobody_is_told_to_wait_while_others_may_have_called_somebody_further_back(
    valkey: Valkey, loss: str
) -> None:
    slow = {**SHOP, "rate": "0.01/s", "burst": 10, "fallbackRate": "0.01/s"}
    async with Hall(valkey, loss, onsale(admission=slow)) as hall:
        places = await hall.join(20)
        await hall.refresh()
        await hall.save()
        await hall.fill_bucket(2_000)
        await hall.rooms[1].refresh()
        called = hall.rooms[1].snapshot
        assert called is not None
        assert hall.rooms[1].standing(places[9]).state is State.RELEASED
        assert hall.rooms[0].standing(places[0]).state is State.WAITING

        hall.lose()
        valkey.start()
        # The one which knows less is the first to enter the new server.
        await hall.rooms[0].refresh()
        told = hall.rooms[0].snapshot
        assert told is not None
        waits = hall.rooms[0].standing(places[0]).state is State.WAITING
        assert not waits or told.at_s < called.at_s
        await hall.refresh(3)
        for room in hall.rooms:
            assert room.standing(places[9]).state is State.RELEASED


async def test_the_bucket_is_empty_after_the_loss_and_the_line_goes_on(valkey: Valkey, loss: str) -> None:
    # So slow that no token comes by itself while we look, however slow this machine is.
    slow = {**SHOP, "rate": "0.02/s", "burst": 10, "fallbackRate": "0.002/s"}
    async with Hall(valkey, loss, onsale(admission=slow)) as hall:
        places = await hall.join(30)
        await hall.fill_bucket(1_000)
        await hall.refresh()
        await hall.save()
        hall.lose()
        valkey.start()
        await hall.refresh()
        snapshot = hall.rooms[0].snapshot
        assert snapshot is not None
        assert snapshot.released == 10
        await hall.end_recovery()
        await hall.fill_bucket(600)
        await hall.refresh()
        snapshot = hall.rooms[0].snapshot
        assert snapshot is not None
        # Ten minutes' worth: at the ceiling, or at the fallback rate where the scaler's target may have been lost.
        assert snapshot.released == (11 if loss == "all data lost" else 20)
        assert hall.rooms[0].standing(places[10]).state is State.RELEASED


async def test_a_released_place_is_claimed_once_across_the_loss(valkey: Valkey, loss: str) -> None:
    async with Hall(valkey, loss, onsale(admission={**SHOP, "capacity": 10})) as hall:
        places = await hall.join(20)
        await hall.fill_bucket(10)
        await hall.refresh()
        await hall.save()
        first = await hall.rooms[0].claim(places[0])
        assert first.outcome is ClaimOutcome.ADMITTED
        hall.lose()
        valkey.start()
        await hall.refresh(3)
        again = await hall.rooms[1].claim(places[0])
        assert again.outcome is ClaimOutcome.AGAIN
        other = await hall.rooms[1].claim(places[1])
        assert other.outcome is ClaimOutcome.ADMITTED
        await hall.refresh()
        snapshot = hall.rooms[1].snapshot
        assert snapshot is not None
        assert snapshot.sessions == 2
        # Capacity still counts the sessions from before: 2 inside, 8 released and unclaimed, nothing free.
        await hall.end_recovery()
        await hall.fill_bucket(10)
        await hall.refresh()
        assert hall.rooms[1].snapshot is not None
        assert hall.rooms[1].snapshot.released == 10


async def test_a_place_that_only_its_buyer_remembers_is_put_back(valkey: Valkey, loss: str) -> None:
    async with Hall(valkey, loss, onsale(admission={**SHOP, "rate": "0.01/s"})) as hall:
        await hall.save()
        await hall.join(5)
        token, place = await hall.rooms[0].join(device(50))
        hall.lose()
        valkey.start()
        # All processes are new as well: nobody knows the line any more, only the buyer does.
        async with Hall(valkey, loss, onsale(admission={**SHOP, "rate": "0.01/s"})) as fresh:
            fresh.numbers = itertools.count(1_000)
            newcomers = await fresh.join(3)
            assert fresh.rooms[0].place(token) == place
            await fresh.refresh(3)
            assert fresh.rooms[0].standing(place).ahead == 5
            assert await order_of(fresh, newcomers, 0) == [6, 7, 8]


async def test_a_draw_survives_and_prequeues_of_both_epochs_are_drawn_as_one(
    valkey: Valkey, loss: str
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHOP)
    async with Hall(valkey, loss, sale) as hall:
        first = await hall.join(20)
        await hall.refresh()
        await hall.save()
        hall.lose()
        valkey.start()
        second = await hall.join(15)
        await hall.refresh(3)
        await hall.open_doors()
        record = hall.rooms[0].snapshot.draw_record if hall.rooms[0].snapshot else ""
        assert record
        positions = [hall.rooms[1].standing(place).position for place in first + second]
        assert sorted(position or 0 for position in positions) == list(range(1, 36))
        hall.lose()
        valkey.start()
        await hall.refresh()
        await hall.open_doors()
        for room in hall.rooms:
            assert room.snapshot is not None
            assert room.snapshot.draw_record == record
            assert [room.standing(place).position for place in first + second] == positions


async def test_what_operators_set_survives(valkey: Valkey, loss: str) -> None:
    async with Hall(valkey, loss, onsale(admission=SHOP)) as hall:
        await hall.join(10)
        await hall.save()
        operated = {"hold": "the payment provider is down", "ops_rate": "2.5"}
        await hall.clients[0].hset("{cactus}:room", mapping=operated)
        await hall.refresh()
        hall.lose()
        valkey.start()
        await hall.refresh(3)
        await hall.end_recovery()
        await hall.fill_bucket(60)
        await hall.refresh()
        for room in hall.rooms:
            assert room.snapshot is not None
            assert room.snapshot.hold == "the payment provider is down"
            assert room.snapshot.released == 0
            assert dict(room.snapshot.operated) == operated
        await hall.clients[0].hset("{cactus}:room", "hold", "")
        await hall.refresh()
        assert hall.rooms[0].snapshot is not None
        assert hall.rooms[0].snapshot.rate_per_s <= 2.5


async def test_scripts_flushed_by_an_operator_begin_no_epoch(valkey: Valkey, loss: str) -> None:
    async with Hall(valkey, loss, onsale(admission=SHOP)) as hall:
        (before,) = await hall.join(1)
        await hall.clients[0].script_flush()
        (after,) = await hall.join(1)
        assert (after.epoch, after.number) == (before.epoch, 2)
