"""A place of an earlier sale under the same name: browsers keep it for a year, the keys are the same, the store was emptied."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from rulebook import Onsale
from tests.waitingroom.living import JSON, Living, living, open_doors
from tests.waitingroom.samples import device, onsale
from waitingroom.keyfiles import load_keyring
from waitingroom.places import Place, sign_place
from waitingroom.room import Room

NUMBER = 50_000
YEAR_MS = 365 * 86_400_000
OWN = device(1)


def sale(joining_begins: timedelta) -> Onsale:
    begins = datetime.now(UTC) + joining_begins
    return onsale(prequeue=begins.isoformat(), opens=(begins + timedelta(hours=2)).isoformat())


def older_place(folder: Path, room: Room) -> dict[str, str]:
    """Return a request's headers with a place from a year before the store's line began, signed with the room's own key."""
    keyring = load_keyring(folder / "keys", [])
    kid = keyring.signing_place_kid
    assert room.snapshot is not None
    began_ms = room.snapshot.epoch - YEAR_MS
    place = Place("cactus", began_ms, NUMBER, began_ms, OWN.encode())
    token = sign_place(place, kid, keyring.place_keys[kid])
    return {**JSON, "Cookie": f"tidegate_device={OWN}; tidegate_place={token}"}


async def ask(here: Living, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as visitor,
        visitor.request(method, f"{here.room}/cactus/{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def settled(room: Room) -> None:
    """Wait until whatever other processes know of lines would have been put back."""
    async with asyncio.timeout(20):
        while room.snapshot is None or room.snapshot.settling:
            await asyncio.sleep(0.05)
    for _ in range(2):  # what is known is put back with the next call
        await room.refresh()


@pytest.mark.parametrize("path", ["status", "enter", "code"])
async def test_it_puts_nobody_before_the_line(
    tmp_path: Path, store_url: str, client: Redis, path: str
) -> None:
    async with living(tmp_path, store_url, sale(timedelta(hours=1))) as here:
        room = here.rooms["cactus"]
        headers = older_place(tmp_path, room)
        method = "GET" if path == "status" else "POST"
        await ask(here, method, path, headers)  # in the first second nobody can tell yet
        await settled(room)
        assert (await ask(here, method, path, headers))[0] == 404
        await settled(room)
        assert room.snapshot is not None
        assert [line.waiting for line in room.snapshot.lines] == [0]


async def test_its_buyer_joins_as_everybody_does(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, sale(timedelta(hours=1))) as here:
        room = here.rooms["cactus"]
        await settled(room)
        await open_doors(client)
        async with asyncio.timeout(20):
            while room.snapshot is None or room.snapshot.phase != "open":
                await asyncio.sleep(0.05)
        status, told = await ask(here, "POST", "join", older_place(tmp_path, room))
        assert (status, told["number"], told["position"]) == (200, 1, 1)


async def test_in_mid_sale_an_older_place_is_one_that_the_store_has_lost(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, sale(timedelta(hours=-1))) as here:
        room = here.rooms["cactus"]
        await settled(room)
        assert (await ask(here, "GET", "status", older_place(tmp_path, room)))[0] == 200
        await settled(room)
        assert room.snapshot is not None
        assert room.snapshot.waiting == NUMBER
