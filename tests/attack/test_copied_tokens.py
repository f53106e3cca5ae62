"""Tokens that were copied, from one device to another or from one onsale to another, open nothing."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.samples import device, onsale

OPEN = {"rate": "200/s", "burst": 50}
TULIP = onsale("tulip", protect=[{"path": "/tulip"}], admission=OPEN, shop="https://shop.example.org/tulip")


async def cookies_of(here: Living, *, enter: bool) -> dict[str, str]:
    """Join, and enter if asked; returns the buyer's cookies."""
    async with here.buyer() as buyer:
        async with buyer.post(f"{here.room}/cactus/join") as answer:
            assert answer.status == 200
        if enter:
            async with asyncio.timeout(20):
                while True:
                    async with buyer.post(f"{here.room}/cactus/enter") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.02)
        return {cookie.key: cookie.value for cookie in buyer.cookie_jar}


async def ask(method: str, url: str, cookies: dict[str, str]) -> tuple[int, aiohttp.ClientResponse]:
    """Ask with these cookies and no others."""
    text = "; ".join(f"{name}={value}" for name, value in cookies.items())
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(method, url, headers={**JSON, "Cookie": text}, allow_redirects=False) as answer,
    ):
        await answer.read()
        return answer.status, answer


@pytest.mark.parametrize("stolen", [{}, {"tidegate_device": device(9)}], ids=["no device", "another device"])
async def test_a_copied_place_enters_nowhere_and_gets_no_code(
    tmp_path: Path, store_url: str, client: Redis, stolen: dict[str, str]
) -> None:
    async with living(tmp_path, store_url, onsale(admission=OPEN)) as here:
        own = await cookies_of(here, enter=False)
        copied = {"tidegate_place": own["tidegate_place"], **stolen}
        for path in ("enter", "code"):
            status, answer = await ask("POST", f"{here.room}/cactus/{path}", copied)
            assert status == 404, path
            assert not any("tidegate_pass" in each for each in answer.headers.getall("Set-Cookie", ()))
        assert (await ask("POST", f"{here.room}/cactus/enter", own))[0] == 200


async def test_a_copied_pass_enters_on_no_other_device(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=OPEN)) as here:
        own = await cookies_of(here, enter=True)
        held = own["tidegate_pass_cactus"]
        assert (await ask("GET", f"{here.gate}/seats", own))[0] == 200
        for other in ({}, {"tidegate_device": device(9)}, {"tidegate_device": ""}):
            assert (await ask("GET", f"{here.gate}/seats", {"tidegate_pass_cactus": held, **other}))[0] == 429


async def test_a_token_of_one_onsale_is_nothing_to_another(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    cactus = onsale(admission=OPEN, protect=[{"path": "/cactus"}])
    async with living(tmp_path, store_url, cactus, TULIP) as here:
        own = await cookies_of(here, enter=True)
        assert (await ask("GET", f"{here.gate}/cactus/seats", own))[0] == 200
        renamed = {**own, "tidegate_pass_tulip": own["tidegate_pass_cactus"]}
        assert (await ask("GET", f"{here.gate}/tulip/seats", renamed))[0] == 429
        assert (await ask("GET", f"{here.room}/tulip/status", own))[0] == 404
        assert (await ask("POST", f"{here.room}/tulip/code", own))[0] == 404
        place, held = own["tidegate_place"], own["tidegate_pass_cactus"]
        crossed = {**own, "tidegate_place": held, "tidegate_pass_cactus": place}
        assert (await ask("GET", f"{here.room}/cactus/status", crossed))[0] == 404
        assert (await ask("GET", f"{here.gate}/cactus/seats", crossed))[0] == 429


async def test_a_used_place_opens_no_second_session(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=OPEN)) as here:
        own = await cookies_of(here, enter=True)
        sessions = set()
        for _ in range(5):
            status, answer = await ask("POST", f"{here.room}/cactus/enter", own)
            assert status == 200
            sessions.add((await answer.json())["session"])
        assert len(sessions) == 1
        assert await client.zcard("{cactus}:sessions") == 1
