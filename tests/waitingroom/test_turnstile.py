"""Many at once at the store: they wait for a connection instead of being turned away, though not for ever."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreConnectionError

from tests.waitingroom.samples import KEYRING, device, onsale, settings
from waitingroom.errors import StoreUnavailable
from waitingroom.gate.handover import SECRET_CHARS, Code
from waitingroom.handovers import HandoverRefused, Handovers
from waitingroom.room import Room
from waitingroom.store.client import ClaimOutcome, OnsaleStore
from waitingroom.store.handovers import OnsaleHandovers, Taking
from waitingroom.store.server import Scripts
from waitingroom.store.turnstile import Turnstile


async def test_all_whose_turn_comes_at_once_get_in_at_once(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="100000.0", burst="300"))
    await store.configure()
    await store.join([device(number) for number in range(300)])
    async with asyncio.timeout(20):
        while (line := await store.advance()).released < 300:
            await asyncio.sleep(0.01)
    claims = [store.claim(line.epoch, number, f"session-{number}", 60, 300) for number in range(1, 301)]
    outcomes = Counter([claim.outcome for claim in await asyncio.gather(*claims)])
    assert outcomes == {ClaimOutcome.ADMITTED: 300}


async def test_the_first_who_come_to_a_process_at_once_are_all_served(client: Redis) -> None:
    await OnsaleStore(client, "cactus", settings()).configure()
    handovers = OnsaleHandovers(client, "cactus", Turnstile(5, within_s=20))
    await asyncio.gather(*(handovers.offer(f"digest-{number}", "session", "text", 30) for number in range(5)))
    taken = [await handovers.take(f"digest-{number}", "device", 1, 60) for number in range(5)]
    # Each code is known, for a session that nobody opened.
    assert [outcome for outcome, _ in taken] == 5 * [Taking.ENDED]


async def test_no_more_are_let_through_than_there_are_places() -> None:
    turnstile, inside, most = Turnstile(3, within_s=20), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with turnstile:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert (inside, most) == (0, 3)


async def test_who_has_waited_too_long_is_told_and_takes_no_place() -> None:
    turnstile = Turnstile(1, within_s=0.01)
    async with turnstile:
        with pytest.raises(StoreConnectionError, match="the store is slow"):
            async with turnstile:
                pass
    async with asyncio.timeout(20), turnstile:
        pass


async def test_who_brings_codes_leaves_others_room_at_the_store(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = most = 0

    async def run(scripts: Scripts, name: str, arguments: Sequence[str]) -> tuple[str, str]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return Taking.UNKNOWN, ""

    monkeypatch.setattr(Scripts, "run", run)
    sales = [onsale(), onsale("tulip")]
    rooms = {
        sale.name: Room(sale, OnsaleStore(client, sale.name, {}), KEYRING, poll_budget_per_s=1_000)
        for sale in sales
    }
    handovers = Handovers(rooms, client, KEYRING, room_url="https://room.example.org")
    codes = [Code(sale.name, "x" * SECRET_CHARS) for sale in sales for _ in range(100)]
    refused = await asyncio.gather(
        *(handovers.take(code, "device") for code in codes), return_exceptions=True
    )
    assert {type(error) for error in refused} == {HandoverRefused}
    assert most == 16


async def test_a_code_that_finds_no_room_at_the_store_may_come_again(client: Redis) -> None:
    handovers = OnsaleHandovers(client, "cactus", Turnstile(0, within_s=0.01))
    with pytest.raises(StoreUnavailable, match="too many commands"):
        await handovers.take("digest", "device", 1, 60)
