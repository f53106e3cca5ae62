"""nginx, Traefik and Envoy before the gate, with the configurations of the how-to: who gets in, and what the shop sees."""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from ruamel.yaml import YAML

from tests.stores import Valkey
from tests.waitingroom.fronts import PROXIES, SHOP, Front, Fronted, documented, fronted_by, raw, started
from tests.waitingroom.living import HTML
from tests.waitingroom.samples import onsale

CACTUS = onsale(
    shop=f"https://{SHOP}/cactus",
    protect=[{"host": SHOP, "path": "/cactus"}],
    bypass=[{"path": "/cactus/static"}, {"path": "/cactus/hook", "methods": ["POST"]}],
    admission={"rate": "200/s", "burst": 50, "claimWithin": "30s"},
    session={"length": "10s", "max": "300s"},
)


@pytest.fixture(scope="module", params=sorted(PROXIES))
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-") as folder,
        started(request.param, Path(folder)) as up,
    ):
        yield up


@pytest.fixture
async def fronted(front: Front, tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Fronted]:
    async with fronted_by(front, tmp_path, store_url, CACTUS) as up:
        yield up


async def test_a_page_without_a_pass_is_redirected_to_the_room(fronted: Fronted) -> None:
    answer, _ = await fronted.browser().ask("/cactus/seats?row=1", HTML)
    assert answer.status == 303
    assert answer.headers["Location"] == f"{fronted.here.room}/cactus/?return=/cactus/seats%3Frow%3D1"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_app_without_a_pass_is_told_when_to_come_again(fronted: Fronted, method: str) -> None:
    answer, text = await fronted.browser().ask("/cactus/seats", method=method)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
    assert answer.content_type == "application/problem+json"
    assert json.loads(text)["location"].startswith(f"{fronted.here.room}/cactus/")


async def test_a_buyer_comes_in_from_the_room_and_shops(fronted: Fronted) -> None:
    browser = fronted.browser()
    async with fronted.here.buyer() as buyer:
        path = await fronted.way_in(buyer)
    answer, _ = await browser.ask(path, HTML)
    assert (answer.status, answer.headers["Location"]) == (303, f"https://{SHOP}/cactus/seats")
    assert set(browser.cookies) == {"tidegate_device", "tidegate_pass_cactus"}
    answer, text = await browser.ask("/cactus/seats?row=1", method="POST", data="two")
    assert answer.status == 200
    seen = json.loads(text)
    assert (seen["path"], seen["body"]) == ("/cactus/seats?row=1", "two")
    named = {name.lower(): value for name, value in seen["headers"].items()}
    assert (len(named["x-tidegate-session"]) > 10, named["x-tidegate-onsale"]) == (True, "cactus")


async def test_a_link_into_the_shop_works_once(fronted: Fronted) -> None:
    async with fronted.here.buyer() as buyer:
        path = await fronted.way_in(buyer)
    assert (await fronted.browser().ask(path, HTML))[0].status == 303
    other = fronted.browser()
    answer, text = await other.ask(path, HTML)
    assert (answer.status, other.cookies) == (410, {})
    assert f'href="{fronted.here.room}/cactus/"' in text
    assert (await other.ask("/.tidegate/enter?code=cactus.x", HTML))[0].status == 400
    assert (await other.ask("/cactus/seats"))[0].status == 429


async def test_a_renewed_pass_reaches_the_buyer(fronted: Fronted) -> None:
    browser = await fronted.admitted()
    first = browser.cookies["tidegate_pass_cactus"]
    async with asyncio.timeout(30):
        while browser.cookies["tidegate_pass_cactus"] == first:
            assert (await browser.ask("/cactus/seats"))[0].status == 200
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Original-URI": "/about"},
        {"X-Original-URL": "https://forged.example/about"},
        {"X-Original-Method": "OPTIONS"},
        {"X-Forwarded-Uri": "/about"},
        {"X-Forwarded-Uri": "/about", "X-Forwarded-Host": "forged.example", "X-Forwarded-Method": "POST"},
        {"X-Forwarded-Host": "forged.example"},
        {"X-Forwarded-Prefix": "/about"},
        {"X-Envoy-Original-Path": "/about"},
        {"X-HTTP-Method-Override": "POST"},
        {"X_Original_URI": "/about"},
        {"X-Tidegate-Session": "forged", "X-Tidegate-Onsale": "cactus"},
        {"Connection": "X-Forwarded-Host, X-Forwarded-Uri, X-Original-URI, Cookie"},
    ],
    ids=", ".join,
)
async def test_headers_of_the_buyers_own_do_not_lead_in(fronted: Fronted, forged: dict[str, str]) -> None:
    # Envoy refuses a Connection header which names what it must not.
    assert (await fronted.browser().ask("/cactus", forged))[0].status in {400, 429}


FORGED = {
    "X-Tidegate-Session": "forged",
    "X-Tidegate-Onsale": "cactus",
    "X_Tidegate_Session": "forged",
    "X-Tidegate_Session": "forged",
    "x_tidegate-onsale": "forged",
    "X-Original-URL": "/forged",
    "X-Original-URI": "/forged",
    "X-Rewrite-URL": "/forged",
}


@pytest.mark.parametrize("path", ["/about", "/cactus/static/logo.png"])
async def test_what_is_open_carries_no_session_of_the_buyers_own(fronted: Fronted, path: str) -> None:
    answer, text = await fronted.browser().ask(path, FORGED)
    assert answer.status == 200
    assert "forged" not in text
    assert "tidegate" not in " ".join(json.loads(text)["headers"]).lower()


async def test_an_admitted_buyers_session_is_the_gates_word(fronted: Fronted) -> None:
    browser = await fronted.admitted()
    answer, text = await browser.ask("/cactus", FORGED)
    assert answer.status == 200
    assert "forged" not in text
    seen = [name.lower() for name in json.loads(text)["headers"]]
    assert sorted(name for name in seen if "tidegate" in name) == ["x-tidegate-onsale", "x-tidegate-session"]


async def test_a_bypass_is_for_its_method_alone(fronted: Fronted) -> None:
    browser = fronted.browser()
    assert (await browser.ask("/cactus/hook", method="POST", data="paid"))[0].status == 200
    assert (await browser.ask("/cactus/hook"))[0].status == 429
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer, _ = await browser.ask("/cactus/hook", {name: "DELETE"}, method="POST", data="paid")
        assert answer.status == 429, name


SPELLINGS = [
    "//cactus",
    "/x/../cactus",
    "/x/%2e%2e/cactus",
    "/%63actus",
    "/x/..;/cactus",
    "/cactus/../about",
    "/cactus;x=1/seats",
    "/cactus%2fseats",
    "/x/..%2fcactus",
    "/%2e/cactus",
    "/x%5c..%5ccactus",
    "/%2563actus",
    "/about/..%5ccactus",
    "/.tidegate/../cactus",
    "/.tidegate/%2e%2e/cactus",
    "/.tidegate//../cactus",
]


@pytest.mark.parametrize("path", SPELLINGS)
async def test_no_spelling_of_the_path_leads_around_the_gate(fronted: Fronted, path: str) -> None:
    asked = f"GET {path} HTTP/1.1\r\nHost: {SHOP}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    answer = await raw(fronted.front.address, asked.encode(), silence_s=30)
    status = int(answer.split(b" ")[1])
    if status == 200:  # let through, so the shop must have got what needs no pass
        found = re.search(rb'"path": "([^"]*)"', answer)
        assert found is not None
        assert found[1] == b"/about"
    else:
        assert status in {400, 403, 404, 405, 410, 429}


async def test_no_other_protocol_leads_past_the_gate(fronted: Fronted) -> None:
    head = f"Host: {SHOP}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    answer = await raw(
        fronted.front.address, f"GET /about HTTP/1.1\r\n{head}\r\n\r\n".encode(), until=b'"body"'
    )
    assert b'"path": "/about"' in answer
    assert b" 101 " not in answer.split(b"\r\n")[0]
    assert b"h2c" not in answer


async def test_two_framings_reach_nobody(fronted: Fronted) -> None:
    smuggled = "0\r\n\r\nGET /cactus HTTP/1.1\r\nHost: tickets.example.org\r\n\r\n"
    for framing in (
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Content-Length: 0\r\nContent-Length: 70",
    ):
        asked = f"POST /about HTTP/1.1\r\nHost: {SHOP}\r\nConnection: close\r\n{framing}\r\n\r\n{smuggled}"
        answer = await raw(fronted.front.address, asked.encode())
        assert b'"path": "/cactus"' not in answer
        assert not answer or int(answer.split(b" ")[1]) in {200, 400, 411, 501}


async def test_websockets_open_with_a_pass_only(fronted: Fronted) -> None:
    browser = await fronted.admitted()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        address = f"{fronted.front.address}/cactus/live"
        async with session.ws_connect(address, headers=browser.headers({})) as opened:
            assert len(await opened.receive_str(timeout=20)) > 10
            await opened.send_str("hello")
            assert await opened.receive_str(timeout=20) == "shop: hello"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(address, headers=fronted.browser().headers({}))
        assert refused.value.status == 429


async def test_with_the_store_down_admitted_buyers_go_on_shopping(front: Front, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        store = Valkey(Path(folder))
        store.start()
        try:
            async with fronted_by(front, tmp_path, store.url, CACTUS) as up:
                browser = await up.admitted()
                store.kill()
                assert (await browser.ask("/cactus/seats"))[0].status == 200
                assert (await up.browser().ask("/cactus/seats"))[0].status == 429
                answer, _ = await up.browser().ask("/.tidegate/enter?code=cactus." + "A" * 22, HTML)
                assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        finally:
            store.stop()


async def test_without_the_gate_nobody_gets_in(front: Front) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{front.address}/cactus", headers={"Host": SHOP}) as answer,
    ):
        assert answer.status in {403, 500, 502, 503}


def test_traefik_is_told_the_same_on_kubernetes() -> None:
    yaml = YAML(typ="safe")
    ours = yaml.load(documented("tidegate.yaml"))["http"]["middlewares"]["tidegate"]["forwardAuth"]
    on_kubernetes = yaml.load(documented("middleware.yaml"))["spec"]["forwardAuth"]
    assert {**on_kubernetes, "address": ""} == {**ours, "address": ""}
