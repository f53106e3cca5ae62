"""Whose turn cannot have come is told without the store; and nobody whose turn has come is told so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.waitingroom import samples
from tests.waitingroom.samples import KEYRING, device, onsale
from tests.waitingroom.virtual_store import SECOND, VirtualStore
from waitingroom.counts import StoreCalls
from waitingroom.places import Place
from waitingroom.reach import furthest_released
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import ClaimOutcome, OnsaleStore

NOW_US = 1_700_000_000 * SECOND
SLOW = onsale(admission={"rate": "1/s", "burst": 1, "claimWithin": "30s"})


@contextmanager
def virtual_store(url: str, **changes: str) -> Iterator[VirtualStore]:
    """A store of its own for each run: what a process has seen of another it would put back."""
    store = VirtualStore(url, "cactus")
    try:
        store.empty()
        store.set_clock(NOW_US)
        store.do(store.scripts.configure(samples.settings(**changes)))
        yield store
    finally:
        store.close()


def fill(store: VirtualStore, buyers: int) -> None:
    for start in range(0, buyers, 500):
        store.do(store.scripts.join([device(number) for number in range(start, min(start + 500, buyers))]))


moments = st.lists(st.integers(1, 4 * SECOND), max_size=6)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rate=st.sampled_from([0.5, 1.0, 10.0, 50.0]),
    burst=st.integers(1, 60),
    claim_us=st.sampled_from([SECOND // 2, SECOND, 3 * SECOND, 120 * SECOND]),
    before=moments,
    since=moments,
)
def test_no_line_moves_further_than_within_its_reach(
    store_url: str, rate: float, burst: int, claim_us: int, before: list[int], since: list[int]
) -> None:
    with virtual_store(store_url, rate=str(rate), burst=str(burst), claim_us=str(claim_us)) as store:
        fill(store, 2_500)
        now_us = NOW_US
        copy = store.do(store.scripts.advance())
        for pause_us in before:
            now_us += pause_us
            store.set_clock(now_us)
            copy = store.do(store.scripts.advance())
        elapsed_us = 0
        for pause_us in since:
            elapsed_us += pause_us
            store.set_clock(now_us + elapsed_us)
            released = store.do(store.scripts.advance()).released
            reach = furthest_released(copy, copy.lines[-1], rate, claim_us / SECOND, elapsed_us / SECOND)
            assert released <= reach


def test_a_full_bucket_and_its_rate_are_all_of_the_reach(store_url: str) -> None:
    with virtual_store(store_url, rate="10.0", burst="100") as store:
        store.set_clock(NOW_US + 60 * SECOND)
        copy = store.do(store.scripts.advance())
        fill(store, 1_000)
        store.do(store.scripts.advance())
        store.set_clock(NOW_US + 65 * SECOND)
        released = store.do(store.scripts.advance()).released
        assert released == furthest_released(copy, copy.lines[-1], 10.0, 30.0, 5.0) == 150


@pytest.fixture
def calls() -> StoreCalls:
    return StoreCalls()


@dataclass
class Clock:
    """The time of the room's process: no copy grows old while the test looks, however long that takes."""

    now_s: float = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("waitingroom.room.time", clock)
    return clock


@pytest.fixture
async def room(client: Redis, calls: StoreCalls, clock: Clock) -> Room:
    store = OnsaleStore(client, "cactus", room_settings(SLOW), calls=calls)
    room = Room(SLOW, store, KEYRING, poll_budget_per_s=1_000)
    await room.move()
    # The epoch began a while ago: in its first moments processes may still put back what they know.
    await client.hset("{cactus}:room", "entered_us", "0")
    return room


def claims_in(calls: StoreCalls) -> int:
    return sum(calls.buckets.get("claim", []))


async def place_at(client: Redis, room: Room, number: int) -> Place:
    """Have the line filled up to `number`, who holds the place that is returned."""
    assert room.snapshot is not None
    await client.hset("{cactus}:room", f"tail:{room.snapshot.epoch}", str(number - 1))
    _, place = await room.join(device(number))
    await room.refresh()
    return place


async def test_who_is_far_back_is_told_to_wait_without_the_store(
    client: Redis, room: Room, calls: StoreCalls
) -> None:
    place = await place_at(client, room, 900_000)
    assert {(await room.claim(place)).outcome for _ in range(100)} == {ClaimOutcome.WAITING}
    assert claims_in(calls) == 0


async def test_who_may_be_next_asks_the_store(client: Redis, room: Room, calls: StoreCalls) -> None:
    place = await place_at(client, room, 6)
    assert not room.waits_for_sure(place)
    assert (await room.claim(place)).outcome is ClaimOutcome.WAITING
    assert claims_in(calls) == 1


@pytest.mark.parametrize("why", ["old", "settling", "another document", "an older line"])
async def test_a_copy_that_may_be_wrong_sends_nobody_away(
    client: Redis, room: Room, clock: Clock, why: str
) -> None:
    place = await place_at(client, room, 900_000)
    assert room.waits_for_sure(place)
    assert room.snapshot is not None
    match why:
        case "old":
            clock.now_s += 1.5
        case "settling":
            room.snapshot = replace(room.snapshot, settling=True)
        case "another document":
            room.change(onsale(admission={"rate": "1000/s", "burst": 1, "claimWithin": "30s"}))
        case _:
            (line,) = room.snapshot.lines
            newer = replace(line, epoch=line.epoch + 1, tail=0)
            room.snapshot = replace(room.snapshot, lines=(line, newer))
    assert not room.waits_for_sure(place)
