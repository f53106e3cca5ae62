"""The crowd as the room publishes it in a real store, with ages by the store's clock."""

import re
from typing import Any

import pytest
from redis.asyncio import Redis

from autoscaler.sources.base import Answer
from autoscaler.sources.room import RoomSource, as_crowd
from autoscaler.store.connection import open_client
from autoscaler.store.figures import FigureReader, Published
from rulebook.coupling import US_PER_S, RoomFigures, figures_key
from rulebook.observation import Crowd, Missing
from rulebook.signals import OnsaleSignal
from tests.autoscaler.fakes import START_S, ManualClock

ASKED = OnsaleSignal.model_validate({"name": "cactus", "drainWithin": "20m"})
DEADLINE_S = 10.0
STORE_NOW_S = 1_000.0


async def store_now_us(client: Redis) -> int:
    seconds, microseconds = await client.time()
    return int(seconds) * US_PER_S + int(microseconds)


async def publish(client: Redis, at_us: int, **fields: Any) -> None:
    figures = {"waiting": 120, "late": 3, "tail": 500, "released": 380, "claimed": 300, "sessions": 250}
    rates = {"arrivals_per_s": "12.5", "released_per_s": "8", "claimed_per_s": "7.5"}
    await client.hset(
        figures_key("cactus"), mapping={"at_us": at_us, **figures, **rates, "opens_us": 0, **fields}
    )


async def read(client: Redis, clock: ManualClock) -> Answer:
    (answer,) = await RoomSource(FigureReader(client), clock).read([ASKED], [], DEADLINE_S)
    return answer


async def test_backlog_is_who_waits_and_who_came_late(client: Redis, clock: ManualClock) -> None:
    await publish(client, await store_now_us(client))
    crowd = (await read(client, clock)).reading
    assert isinstance(crowd, Crowd)
    assert (crowd.arrivals_per_s, crowd.backlog, crowd.opens_at_s, crowd.sessions) == (12.5, 123, None, 250)


async def test_times_are_put_on_the_scalers_own_clock(client: Redis, clock: ManualClock) -> None:
    now_us = await store_now_us(client)
    await publish(client, now_us, opens_us=now_us + 600 * US_PER_S)
    crowd = (await read(client, clock)).reading
    assert isinstance(crowd, Crowd)
    assert crowd.opens_at_s is not None
    assert crowd.opens_at_s - crowd.at_s == pytest.approx(600)
    took_s = (await store_now_us(client) - now_us) / US_PER_S
    assert clock.now_s() - took_s <= crowd.at_s + 1e-6
    assert crowd.at_s - 1e-6 <= clock.now_s()


@pytest.mark.parametrize("age_s", [60, -60], ids=["old", "future"])
async def test_the_age_of_figures_is_told_by_the_stores_clock(
    client: Redis, clock: ManualClock, age_s: int
) -> None:
    now_us = await store_now_us(client)
    await publish(client, now_us - age_s * US_PER_S)
    reading = (await read(client, clock)).reading
    took_s = (await store_now_us(client) - now_us) / US_PER_S
    assert isinstance(reading, Missing)
    told = re.fullmatch(
        r"the room's figures are (\S+) s (old, more than 10 s|ahead of the store's clock)", reading.reason
    )
    assert told is not None
    told_s = float(told[1]) if told[2].startswith("old") else -float(told[1])
    assert age_s - 0.1 <= told_s <= age_s + took_s + 0.1


@pytest.mark.parametrize(
    ("age_s", "why"),
    [
        (10.0, None),
        (10.5, "the room's figures are 10.5 s old, more than 10 s"),
        (-10.0, None),
        (-10.5, "the room's figures are 10.5 s ahead of the store's clock"),
    ],
)
def test_old_figures_and_those_from_the_future_are_missing(age_s: float, why: str | None) -> None:
    figures = RoomFigures(STORE_NOW_S - age_s, 120, 3, 500, 380, 300, 250, 12.5, 8.0, 7.5, None)
    reading = as_crowd(Published(figures, STORE_NOW_S), START_S)
    if why is None:
        assert isinstance(reading, Crowd)
        assert reading.at_s == START_S - age_s
    else:
        assert reading == Missing(why)


async def test_a_room_that_never_published_is_missing(client: Redis, clock: ManualClock) -> None:
    assert await read(client, clock) == Answer(Missing("the room has published nothing", answered=True))


async def test_figures_which_are_no_figures_are_missing(client: Redis, clock: ManualClock) -> None:
    await publish(client, await store_now_us(client), waiting="many")
    reading = (await read(client, clock)).reading
    assert isinstance(reading, Missing)
    assert reading.reason.startswith("figures of onsale cactus cannot be read: ")


async def test_a_store_that_is_down_is_missing(clock: ManualClock) -> None:
    client = open_client("redis://127.0.0.1:1")
    reading = (await read(client, clock)).reading
    await client.aclose()
    assert isinstance(reading, Missing)
    assert reading.reason.startswith("store: ")
