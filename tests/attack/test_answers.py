"""What every answer of a room must be: its cookies, its addresses, its frames; seen with the settings of a real sale."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from rulebook.admintokens import Role
from tests.waitingroom.backoffice import TOKENS, Office, token_file
from tests.waitingroom.living import HTML, JSON, Living, living
from tests.waitingroom.samples import device, onsale
from waitingroom.store.operations import OVERRIDES
from waitingroom.web.routetable import ROUTES

OPEN = {"rate": "200/s", "burst": 50}
FOR_SCRIPTS = {"tidegate_start"}
"""Cookies which the page's own script reads and writes; they hold nothing secret."""


def flags(cookie: str) -> tuple[str, set[str]]:
    """Return the name of a cookie and its flags."""
    parts = [part.strip() for part in cookie.split(";")]
    return parts[0].partition("=")[0], {
        part for part in parts[1:] if not part.startswith(("Path", "Max-Age"))
    }


async def walk(here: Living, accept: dict[str, str]) -> list[str]:
    """Go a buyer's way and return all cookies that were set."""
    jar: dict[str, str] = {}
    found: list[str] = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as buyer:
        for method, path in (
            ("GET", "?lang=nl&refresh=30"),
            ("POST", "join"),
            ("GET", ""),
            ("POST", "enter"),
        ):
            sent = accept | {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
            async with buyer.request(
                method, f"{here.room}/cactus/{path}", headers=sent, allow_redirects=False
            ) as answer:
                assert answer.status < 500
                for cookie in answer.headers.getall("Set-Cookie", ()):
                    found.append(cookie)
                    name, _, value = cookie.partition(";")[0].partition("=")
                    jar[name] = value
    return found


@pytest.mark.parametrize("accept", [HTML, JSON], ids=["a browser", "an app"])
async def test_cookies_are_for_https_and_for_nobodys_scripts(
    tmp_path: Path, store_url: str, client: Redis, accept: dict[str, str]
) -> None:
    sale = onsale(admission={"rate": "0.001/s", "burst": 1})
    async with living(tmp_path, store_url, sale, secure_cookies=True) as here:
        cookies = await walk(here, accept) + await walk(here, accept)
    names = {flags(cookie)[0] for cookie in cookies}
    assert names >= {"__Host-tidegate_device", "tidegate_place"}
    assert all("; Path=/;" in cookie for cookie in cookies if cookie.startswith("__Host-"))
    for cookie in cookies:
        name, found = flags(cookie)
        wanted = {"Secure", "SameSite=Lax"} | (set() if name in FOR_SCRIPTS else {"HttpOnly"})
        assert found == wanted, cookie


async def test_a_neighbour_under_the_same_domain_replaces_no_device(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(admission=OPEN)
    own, theirs = device(1), device(2)
    async with living(tmp_path, store_url, sale, secure_cookies=True) as here:
        numbers = []
        for sent in (
            f"__Host-tidegate_device={own}",
            f"tidegate_device={theirs}; __Host-tidegate_device={own}",
            f"__Host-tidegate_device={own}; tidegate_device={theirs}",
            # The plain name is what a neighbour can set for the whole domain: it names nobody here, however often it comes.
            f"tidegate_device={own}",
            f"tidegate_device={theirs}",
            f"tidegate_device={theirs}",
        ):
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as buyer,
                buyer.post(f"{here.room}/cactus/join", headers={**JSON, "Cookie": sent}) as answer,
            ):
                numbers.append((await answer.json())["number"])
        assert numbers == [1, 1, 1, 2, 3, 4]


async def test_no_answer_repeats_a_forged_host(tmp_path: Path, store_url: str, client: Redis) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    async with (
        living(tmp_path, store_url, onsale(), trusted_proxies=("10.0.0.0/8",)) as here,
        here.buyer() as buyer,
    ):
        for method, path in (
            *[("GET", path) for path in ("", "status", "state", "enter", "nothing")],
            *[("POST", path) for path in ("join", "enter", "code")],
        ):
            for accept in (HTML, JSON):
                async with buyer.request(
                    method, f"{here.room}/cactus/{path}", headers={**forged, **accept}, allow_redirects=False
                ) as answer:
                    told = "".join(answer.headers.values()) + await answer.text()
                    assert "evil" not in told, path
                    assert "gopher" not in told, path
        sent = {**forged, **HTML}
        async with (
            aiohttp.ClientSession() as stranger,
            stranger.get(f"{here.gate}/seats", headers=sent, allow_redirects=False) as answer,
        ):
            assert answer.headers["Location"].startswith(f"{here.room}/cactus/")


async def test_no_page_and_no_problem_may_be_framed(tmp_path: Path, store_url: str, client: Redis) -> None:
    paths = (
        "/cactus/",
        "/cactus/status",
        "/cactus/nothing",
        "/nothing",
        "/admin/v1/onsales",
        "/openapi.json",
    )
    async with (
        living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here,
        here.buyer() as buyer,
    ):
        for path in paths:
            for accept in (HTML, JSON):
                # A buyer whose turn has come meanwhile is sent to the shop, which is no business of this test.
                async with buyer.get(here.room + path, headers=accept, allow_redirects=False) as answer:
                    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path


async def written(client: Redis) -> dict[str, Any]:
    """Return all that a back office can have written of the onsale `cactus`."""
    room = await client.hgetall("{cactus}:room")
    return {
        **{name: room.get(name) for name in OVERRIDES},
        "audit": await client.llen("{cactus}:audit"),
        "revocations": await client.xlen("{cactus}:revocations"),
    }


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer tidegate_guess"},
        {"Authorization": f"Basic {TOKENS[Role.OPERATOR]}"},
        {"Cookie": f"token={TOKENS[Role.OPERATOR]}"},
    ],
    ids=["nothing", "nothing behind it", "a guess", "another scheme", "a cookie"],
)
async def test_no_route_of_the_back_office_opens_without_a_token(
    tmp_path: Path, store_url: str, client: Redis, header: dict[str, str]
) -> None:
    guarded = [route for route in ROUTES if route.roles]
    assert {route.path for route in guarded} >= {"/admin/v1/onsales", "/sessions/{session}/revoke"}
    async with (
        living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here,
        aiohttp.ClientSession(headers={**JSON, **header}) as stranger,
    ):
        office = Office(here)
        await office.act("hold", reason="rehearsal")
        await office.act("message", message="soon")
        before = await written(client)
        assert before["hold"] == "rehearsal"
        assert before["audit"] == 2
        for route in guarded:
            path = route.path.replace("{onsale}", "cactus").replace("{session}", "A" * 22)
            async with stranger.request(route.method, here.room + path, json={}) as answer:
                assert answer.status in {401, 429}, route.path
                assert "cactus" not in await answer.text()
        assert await written(client) == before
