"""A shop on another domain than the room: one code, one entry, cookies of the shop's own host, and a clear page for all else."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from yarl import URL

from tests.stores import Valkey
from tests.waitingroom.living import HTML, JSON, Living, living
from tests.waitingroom.samples import onsale
from waitingroom.gate.handover import CODE_HOLDS_S, DEVICES_PER_SESSION, SECRET_CHARS

SHOP = "tickets.example.org"
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "30s"}
CACTUS = onsale(shop=f"https://{SHOP}/cactus", protect=[{"path": "/cactus"}], admission=FAST)
TULIP = onsale("tulip", shop="https://tulip.example.org", protect=[{"path": "/tulip"}], admission=FAST)


@dataclass
class Shopper:
    """A browser at the shop's host, whose cookies are those of that host alone."""

    here: Living
    cookies: dict[str, str]

    async def get(self, path: str, via: str = "", **headers: str) -> tuple[int, aiohttp.ClientResponse, str]:
        """GET a path of the shop by the gate (or `via` another address), keeping the cookies which are set."""
        told = {**HTML, "Host": SHOP, **headers}
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = URL((via or self.here.gate) + path, encoded=True)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, headers=told, allow_redirects=False) as answer,
        ):
            text = await answer.text()
        self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
        return answer.status, answer, text


@pytest.fixture
async def here(tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Living]:
    async with living(tmp_path, store_url, CACTUS, TULIP) as living_room:
        yield living_room


@pytest.fixture
async def buyer(here: Living) -> AsyncIterator[aiohttp.ClientSession]:
    async with here.buyer() as session:
        yield session


async def way_in(here: Living, buyer: aiohttp.ClientSession, query: str = "", sale: str = "cactus") -> URL:
    """Join, wait and enter; return the address to which the room leads."""
    async with buyer.post(f"{here.room}/{sale}/join") as joined:
        assert joined.status == 200
    return await enter_again(here, buyer, query, sale)


async def enter_again(
    here: Living, buyer: aiohttp.ClientSession, query: str = "", sale: str = "cactus"
) -> URL:
    async with asyncio.timeout(20):
        while True:
            async with buyer.post(f"{here.room}/{sale}/enter{query}") as entered:
                if entered.status == 200:
                    return URL(str((await entered.json())["location"]))
            await asyncio.sleep(0.02)


async def test_a_buyer_comes_in_at_the_shops_own_host(here: Living, buyer: aiohttp.ClientSession) -> None:
    address = await way_in(here, buyer, "?return=/cactus/seats%3Frow%3D1")
    assert (address.scheme, address.host, address.path) == ("https", SHOP, "/.tidegate/enter")
    shopper = Shopper(here, {})
    assert (await shopper.get("/cactus/seats"))[
        0
    ] == 303  # to the line: cookies of the room are none of the shop's
    status, answer, _ = await shopper.get(address.path_qs)
    assert (status, answer.headers["Location"]) == (303, f"https://{SHOP}/cactus/seats?row=1")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    for line in answer.headers.getall("Set-Cookie"):
        assert "Domain" not in line
        assert "; HttpOnly; SameSite=Lax" in line
    status, answer, text = await shopper.get("/cactus/seats?row=1")
    assert status == 200
    assert '"X-Tidegate-Onsale": "cactus"' in text


async def test_a_page_is_led_there_by_redirects_alone(here: Living, buyer: aiohttp.ClientSession) -> None:
    await way_in(here, buyer)
    async with buyer.get(f"{here.room}/cactus/enter", headers=HTML, allow_redirects=False) as entered:
        assert entered.status == 303
        address = URL(entered.headers["Location"])
    assert (await Shopper(here, {}).get(address.path_qs))[0] == 303


async def test_a_proxy_may_send_the_reserved_path_to_the_room(
    here: Living, buyer: aiohttp.ClientSession
) -> None:
    address = await way_in(here, buyer)
    shopper = Shopper(here, {})
    status, answer, _ = await shopper.get(address.path_qs, via=here.room, Host="room.internal")
    assert (status, "Set-Cookie" in answer.headers) == (400, False)
    forwarded = {"Host": "room.internal", "X-Forwarded-Host": SHOP}
    assert (await shopper.get(address.path_qs, via=here.room, **forwarded))[0] == 303
    assert (await shopper.get("/cactus"))[0] == 200


async def test_a_code_opens_the_shop_once(here: Living, buyer: aiohttp.ClientSession) -> None:
    address = await way_in(here, buyer)
    first, second = Shopper(here, {}), Shopper(here, {})
    answers = await asyncio.gather(*(each.get(address.path_qs) for each in (first, second)))
    assert sorted(status for status, _, _ in answers) == [303, 410]
    status, answer, text = await Shopper(here, {}).get(address.path_qs)
    assert (status, "Set-Cookie" in answer.headers) == (410, False)
    assert "This link has been used" in text
    assert f'href="{here.room}/cactus/"' in text
    status, _, text = await Shopper(here, {}).get(address.path_qs, **JSON)
    assert status == 410
    assert '"reason": "unknown"' in text


async def test_a_code_that_was_lost_is_followed_by_another(
    here: Living, buyer: aiohttp.ClientSession
) -> None:
    first = await way_in(here, buyer)
    second = await enter_again(here, buyer)
    assert first != second
    shopper = Shopper(here, {})
    assert (await shopper.get(second.path_qs))[0] == 303
    assert (await shopper.get("/cactus"))[0] == 200


async def test_a_code_holds_for_half_a_minute_and_only_its_hash_is_kept(
    here: Living, buyer: aiohttp.ClientSession, client: Redis
) -> None:
    code = (await way_in(here, buyer)).query["code"]
    digest = hashlib.sha256(f"tidegate handover v1:{code}".encode()).hexdigest()
    key = f"{{cactus}}:handover:{digest}"
    assert 0 < await client.pttl(key) <= CODE_HOLDS_S * 1000
    kept = [await client.hgetall(key), *await client.keys("*")]
    assert code.partition(".")[2] not in str(kept)
    await client.pexpire(key, 0)  # as if the half minute were over
    assert (await Shopper(here, {}).get(f"/.tidegate/enter?code={code}"))[0] == 410


async def test_a_code_of_another_onsale_opens_nothing(here: Living, buyer: aiohttp.ClientSession) -> None:
    address = await way_in(here, buyer, sale="tulip")
    code = address.query["code"]
    shopper = Shopper(here, {})
    renamed = f"/.tidegate/enter?code={code.replace('tulip.', 'cactus.')}"
    assert (await shopper.get(renamed))[0] == 410
    status, _, text = await shopper.get(address.path_qs)  # tulip's own, but at the host of cactus
    assert status == 400
    assert "Another shop" in text
    assert shopper.cookies == {}
    assert (await shopper.get(address.path_qs, Host="tulip.example.org"))[0] == 303


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?code=",
        "?code=cactus",
        "?code=cactus.short",
        "?code=cactus." + "A" * 23,
        "?code=Cactus." + "A" * 22,
        "?code=cactus." + "A" * 22 + "&code=cactus." + "B" * 22,
        "?code=cactus.%0d%0aSet-Cookie:a=b",
        "?code=" + "A" * 3000,
        "?code=cactus." + "A" * 22 + "&" + "x" * 2000,
    ],
)
async def test_what_is_no_code_lets_nobody_in(here: Living, query: str) -> None:
    for via in (here.gate, here.room):
        status, answer, _ = await Shopper(here, {}).get(f"/.tidegate/enter{query}", via=via)
        assert (status, "Set-Cookie" in answer.headers, "Location" in answer.headers) == (400, False, False)


async def test_an_unknown_code_leads_back_to_the_line_only_of_an_onsale_that_is_there(here: Living) -> None:
    made_up = "A" * 22
    status, _, text = await Shopper(here, {}).get(f"/.tidegate/enter?code=cactus.{made_up}")
    assert (status, f"{here.room}/cactus/" in text) == (410, True)
    status, _, text = await Shopper(here, {}).get(f"/.tidegate/enter?code=rose.{made_up}")
    assert (status, "rose" in text) == (410, False)


async def test_a_session_that_was_ended_meanwhile_is_not_handed_over(
    here: Living, buyer: aiohttp.ClientSession, client: Redis
) -> None:
    address = await way_in(here, buyer)
    await client.delete("{cactus}:sessions")
    status, answer, _ = await Shopper(here, {}).get(address.path_qs)
    assert (status, "Set-Cookie" in answer.headers) == (410, False)


async def test_a_session_goes_to_few_devices_and_to_one_as_often_as_it_likes(
    here: Living, buyer: aiohttp.ClientSession
) -> None:
    shopper = Shopper(here, {})
    assert (await shopper.get((await way_in(here, buyer)).path_qs))[0] == 303
    device = shopper.cookies["tidegate_device"]
    for _ in range(DEVICES_PER_SESSION + 1):
        assert (await shopper.get((await enter_again(here, buyer)).path_qs))[0] == 303
    assert shopper.cookies["tidegate_device"] == device
    statuses = [
        (await Shopper(here, {}).get((await enter_again(here, buyer)).path_qs))[0]
        for _ in range(DEVICES_PER_SESSION)
    ]
    assert statuses == [303] * (DEVICES_PER_SESSION - 1) + [403]


async def test_a_device_with_passes_of_other_onsales_keeps_its_name(
    here: Living, buyer: aiohttp.ClientSession
) -> None:
    shopper = Shopper(here, {"tidegate_device": "d" * 22})
    assert (await shopper.get((await way_in(here, buyer)).path_qs))[0] == 303
    assert shopper.cookies["tidegate_device"] == "d" * 22
    assert (await shopper.get("/cactus"))[0] == 200


async def test_over_https_a_device_that_a_neighbour_can_set_gets_no_pass(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, CACTUS, secure_cookies=True) as here:
        async with here.buyer() as joining, joining.post(f"{here.room}/cactus/join") as joined:
            given = [cookie.partition(";")[0] for cookie in joined.headers.getall("Set-Cookie")]
        kept = {**JSON, "Cookie": "; ".join(given)}  # a jar would not send them back over plain http
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=kept) as buyer:
            address = await enter_again(here, buyer)
        shopper = Shopper(here, {"tidegate_device": "d" * 22})
        assert (await shopper.get(address.path_qs))[0] == 303
        assert shopper.cookies.keys() >= {"tidegate_pass_cactus", "__Host-tidegate_device"}
        assert shopper.cookies["__Host-tidegate_device"] != "d" * 22
        assert (await shopper.get("/cactus"))[0] == 200
        del shopper.cookies["__Host-tidegate_device"]
        assert (await shopper.get("/cactus"))[0] == 303


async def test_the_way_in_never_leads_to_itself_or_elsewhere(
    here: Living, buyer: aiohttp.ClientSession
) -> None:
    await way_in(here, buyer)
    for wanted in (
        "//evil.example",
        "https://evil.example/cactus",
        "/.tidegate/enter?code=x",
        "/cactus/../x",
    ):
        address = await enter_again(here, buyer, f"?return={wanted}")
        assert address.host == SHOP
        _, answer, _ = await Shopper(here, {"tidegate_device": "d" * 22}).get(address.path_qs)
        assert answer.headers["Location"] == f"https://{SHOP}/cactus"


async def test_other_methods_and_reserved_paths_use_no_code_up(
    here: Living, buyer: aiohttp.ClientSession
) -> None:
    address = await way_in(here, buyer)
    async with aiohttp.ClientSession(headers={"Host": SHOP}) as session:
        for base in (here.gate, here.room):
            async with session.head(f"{base}{address.path_qs}") as answer:
                assert answer.status == 405
        async with session.get(f"{here.gate}/.tidegate/other") as answer:
            assert answer.status == 404
    assert (await Shopper(here, {}).get(address.path_qs))[0] == 303


async def test_while_the_store_is_away_nobody_is_let_in_and_the_page_tries_again(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    store = Valkey(folder)
    store.start()
    try:
        async with living(tmp_path, store.url, CACTUS) as here, here.buyer() as buyer:
            address = await way_in(here, buyer)
            store.kill()
            status, answer, text = await Shopper(here, {}).get(address.path_qs)
            assert (status, answer.headers["Retry-After"]) == (503, "2")
            assert "Set-Cookie" not in answer.headers
            assert 'http-equiv="refresh"' in text
            async with buyer.post(f"{here.room}/cactus/enter") as entered:
                assert entered.status == 503
    finally:
        store.stop()


async def test_a_room_on_the_shops_host_needs_no_code(tmp_path: Path, store_url: str, client: Redis) -> None:
    here_too = onsale(shop="http://127.0.0.1:3000/cactus", admission=FAST)
    async with living(tmp_path, store_url, here_too) as here, here.buyer() as buyer:
        assert str(await way_in(here, buyer)) == "http://127.0.0.1:3000/cactus"


async def test_one_client_tries_so_many_codes_in_vain_and_others_come_in(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, CACTUS, join_rate_per_s=0.01, join_burst=3) as here:
        addresses = []
        for number in range(6):
            async with here.buyer() as buyer:
                buyer.headers["X-Forwarded-For"] = f"198.51.100.{100 + number}"
                addresses.append((await way_in(here, buyer)).path_qs)
        one, other = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "198.51.100.8"}
        # Whoever gets in uses up nothing: behind one address may be many buyers.
        assert {(await Shopper(here, {}).get(path, **one))[0] for path in addresses[:5]} == {303}
        made_up = f"/.tidegate/enter?code=cactus.{'x' * SECRET_CHARS}"
        answers = [
            await Shopper(here, {}).get(made_up, via, **one, **JSON)
            for via in ("", here.room, "", "", here.room)
        ]
        assert [status for status, _, _ in answers] == [410, 410, 410, 429, 429]
        assert int(answers[-1][1].headers["Retry-After"]) > 0
        status, answer, page = await Shopper(here, {}).get(made_up, **one)
        assert (status, "Set-Cookie" in answer.headers) == (429, False)
        assert "Your place is kept" in page
        assert (await Shopper(here, {}).get(addresses[5], **other))[0] == 303
