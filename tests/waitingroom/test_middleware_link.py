"""A shop's own gate, linked to a real room: sessions that end, passes that are renewed, buyers who come from another domain."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis.asyncio import Redis

from tests.standstill import within
from tests.stores import Valkey
from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale
from tests.waitingroom.shops import Ask, Got, ask_wsgi, every
from waitingroom.middleware import FetchedKeys, OfflineGate, RoomLink
from waitingroom.middleware.metrics import middleware_collector

SHOP = "tickets.example.org"
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "30s"}
CACTUS = onsale(
    shop=f"https://{SHOP}/cactus",
    protect=[{"host": SHOP, "path": "/cactus"}],
    admission=FAST,
    session={"length": "9s", "max": "300s"},
)
LONG = onsale(shop=f"https://{SHOP}/cactus", protect=[{"host": SHOP, "path": "/cactus"}], admission=FAST)


class Shop:
    """One process of a shop, asked by a browser with the cookies of the shop's host."""

    def __init__(self, ask: Ask, gate: OfflineGate, cookies: dict[str, str] | None = None) -> None:
        self._ask = ask
        self.gate = gate
        self.cookies = cookies or {}

    async def get(self, target: str, *, keep: bool = True, method: str = "GET", **headers: str) -> Got:
        """Ask for a path; `keep` says whether the browser keeps the cookies which are set."""
        told = {"Host": SHOP, "Accept": "application/json", **headers}
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        got = await asyncio.to_thread(self._ask, self.gate, method, target, told)
        for line in got.headers.getall("Set-Cookie", ()) if keep else ():
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return got


@asynccontextmanager
async def shop_of(ask: Ask, here: Living, sale: Any = LONG, **options: Any) -> AsyncIterator[Shop]:
    """Have a shop's process up, linked to the room."""
    link = RoomLink(here.room, **options)
    keys = FetchedKeys(f"{here.room}/.well-known/jwks.json")
    gate = OfflineGate([sale], keys, room_url=here.room, link=link, secure_cookies=False)
    try:
        yield Shop(ask, gate)
    finally:
        await asyncio.to_thread(link.close)


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def way_in(here: Living, buyer: aiohttp.ClientSession) -> str:
    """Join, wait and enter; return the path by which the room leads into the shop."""
    async with buyer.post(f"{here.room}/cactus/join") as joined:
        assert joined.status == 200
    async with asyncio.timeout(20):
        while True:
            async with buyer.post(f"{here.room}/cactus/enter") as entered:
                if entered.status == 200:
                    location = str((await entered.json())["location"])
                    return location.removeprefix(f"https://{SHOP}")
            await asyncio.sleep(0.02)


async def admitted(here: Living, shop: Shop) -> str:
    """Bring a buyer into the shop and wait for the feed; return the session."""
    async with here.buyer() as buyer:
        assert (await shop.get(await way_in(here, buyer))).status == 303
    got = await shop.get("/cactus")
    assert got.shop is not None

    async def connected() -> bool:
        return shop.gate.link is not None and shop.gate.link.connected

    await until(connected)
    return got.shop["x-tidegate-session"]


def is_queued(shop: Shop) -> Callable[[], Awaitable[bool]]:
    async def queued() -> bool:
        return (await shop.get("/cactus", keep=False)).status == 429

    return queued


@every
async def test_a_buyer_from_a_room_on_another_domain_comes_in(
    tmp_path: Path, store_url: str, client: Redis, ask: Ask
) -> None:
    async with living(tmp_path, store_url, LONG) as here, shop_of(ask, here) as shop, here.buyer() as buyer:
        assert (await shop.get("/cactus")).status == 429
        path = await way_in(here, buyer)
        assert path.startswith("/.tidegate/enter?code=cactus.")
        assert (await shop.get(path, Host="evil.example")).status == 400
        assert (await shop.get(path, method="HEAD")).status == 405
        got = await shop.get(path)
        assert (got.status, got.headers["Location"], got.shop) == (303, f"https://{SHOP}/cactus", None)
        assert set(shop.cookies) == {"tidegate_device", "tidegate_pass_cactus"}
        got = await shop.get("/cactus/seats")
        assert (got.status, got.shop and got.shop["x-tidegate-onsale"]) == (200, "cactus")
        again = await Shop(ask, shop.gate).get(path)  # a copy of the link in another browser
        assert (again.status, "Set-Cookie" in again.headers) == (410, False)
        for broken in ("/.tidegate/enter", "/.tidegate/enter?code=rose." + "A" * 22):
            assert (await shop.get(broken, keep=False)).status in {400, 410}


@every
async def test_a_session_that_is_ended_elsewhere_is_refused_here_within_two_seconds(
    tmp_path: Path, store_url: str, client: Redis, ask: Ask
) -> None:
    async with (
        living(tmp_path, store_url, LONG, admin_tokens=token_file(tmp_path)) as here,
        shop_of(ask, here) as shop,
    ):
        session = await admitted(here, shop)
        await Office(here).act("revoke", session=session)
        await within(2, is_queued(shop))
        # A process which starts later hears of it by the replay.
        async with shop_of(ask, here) as later:
            later.cookies = dict(shop.cookies)
            await until(is_queued(later))


@every
async def test_the_shops_answer_ends_the_session_everywhere(
    tmp_path: Path, store_url: str, client: Redis, ask: Ask
) -> None:
    async with living(tmp_path, store_url, LONG) as here, shop_of(ask, here) as shop:
        await admitted(here, shop)
        kept = dict(shop.cookies)
        got = await shop.get("/cactus/end")
        assert got.status == 200
        assert "X-Tidegate-End" not in got.headers
        assert shop.cookies["tidegate_pass_cactus"] == ""
        shop.cookies = kept
        assert await is_queued(shop)()  # here at once

        async def refused() -> bool:
            told = {"Host": SHOP, "Accept": "application/json"}
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(
                    f"{here.gate}/cactus",
                    headers={**told, "Cookie": "; ".join(f"{n}={v}" for n, v in kept.items())},
                ) as answer,
            ):
                return answer.status == 429

        async def freed() -> bool:
            return bool(await client.zcard("{cactus}:sessions") == 0)

        await until(refused)
        await until(freed)


@every
async def test_a_pass_is_renewed_for_as_long_as_the_buyer_is_active(
    tmp_path: Path, store_url: str, client: Redis, ask: Ask
) -> None:
    async with living(tmp_path, store_url, CACTUS) as here, shop_of(ask, here, CACTUS) as shop:
        session = await admitted(here, shop)
        first = shop.cookies["tidegate_pass_cactus"]
        ends = await client.zscore("{cactus}:sessions", session)

        async def has_another() -> bool:
            got = await shop.get("/cactus")
            assert got.status == 200
            return shop.cookies["tidegate_pass_cactus"] != first

        await until(has_another)
        assert shop.gate.link is not None
        assert shop.gate.link.renewed >= 1

        async def goes_on() -> bool:
            later = await client.zscore("{cactus}:sessions", session)
            return ends is not None and later is not None and later > ends

        await until(goes_on)
        # A client which keeps its first pass is known by it all the same.
        shop.cookies["tidegate_pass_cactus"] = first
        got = await shop.get("/cactus", keep=False)
        assert got.status == 200
        assert got.headers["Set-Cookie"].startswith("tidegate_pass_cactus=")
        assert got.headers["Set-Cookie"].partition("=")[2].partition(";")[0] != first


@every
async def test_what_operators_open_is_guarded_here_too(
    tmp_path: Path, store_url: str, client: Redis, ask: Ask
) -> None:
    sale = onsale(
        shop=f"https://{SHOP}/cactus", protect=[{"path": "/cactus"}], opens_in_s=3600, prequeue=None
    )
    async with (
        living(tmp_path, store_url, sale, admin_tokens=token_file(tmp_path)) as here,
        shop_of(ask, here, sale) as shop,
    ):
        assert (await shop.get("/cactus")).status == 200
        await Office(here).act("open", at="now")
        await until(is_queued(shop))
        await Office(here).act("close", at="now")
        async with asyncio.timeout(30):
            while (await Office(here).get("/admin/v1/onsales/cactus"))[1]["phase"] != "closed":
                await asyncio.sleep(0.02)
        assert await is_queued(shop)()


@every
async def test_cut_off_from_the_room_passes_hold_until_they_expire_and_a_metric_says_so(
    tmp_path: Path, store_url: str, client: Redis, ask: Ask
) -> None:
    async with living(tmp_path, store_url, LONG) as here:
        link = RoomLink(here.room)
        keys = FetchedKeys(f"{here.room}/.well-known/jwks.json")
        gate = OfflineGate([LONG], keys, room_url=here.room, link=link, secure_cookies=False)
        shop = Shop(ask, gate)
        await admitted(here, shop)
        registry = CollectorRegistry()
        registry.register(middleware_collector(gate))
        assert "tidegate_queue_gate_feed_connected 1.0" in generate_latest(registry).decode()
    try:

        async def cut_off() -> bool:
            return not link.connected

        await until(cut_off)
        assert (await shop.get("/cactus")).status == 200
        exposed = generate_latest(registry).decode()
        assert "tidegate_queue_gate_feed_connected 0.0" in exposed
        assert 'tidegate_queue_gate_checks_total{gate="middleware",outcome="allowed"} 2.0' in exposed
        device = {name: value for name, value in shop.cookies.items() if name == "tidegate_device"}
        assert (await Shop(ask, gate, device).get("/cactus")).status == 429
        got = await Shop(ask, gate).get("/.tidegate/enter?code=cactus." + "A" * 22)
        assert (got.status, got.headers["Retry-After"]) == (503, "2")
    finally:
        link.close()


async def test_a_feed_that_was_lost_is_found_again_and_tells_what_was_missed(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    store = Valkey(folder)
    store.start()
    tokens = token_file(tmp_path)
    try:
        async with (
            living(tmp_path, store.url, LONG, admin_tokens=tokens) as here,
            shop_of(ask_wsgi, here) as shop,
        ):
            session = await admitted(here, shop)
            link = shop.gate.link
            assert link is not None
            wire = link._wire
            assert wire is not None
            wire.shutdown(socket.SHUT_RDWR)  # the network cuts it
            await Office(here).act("revoke", session=session)
            await until(is_queued(shop))

            async def connected() -> bool:
                return link.connected

            await until(connected)
    finally:
        store.stop()


FORKING = """
import os, sys, time, warnings
from waitingroom.middleware import RoomLink

warnings.simplefilter("ignore", DeprecationWarning)  # servers fork as they like

def wait(link):
    link.start()
    deadline = time.monotonic() + 30
    while not link.connected and time.monotonic() < deadline:
        time.sleep(0.02)
    return 0 if link.connected else 1

link = RoomLink(sys.argv[1])
assert wait(link) == 0  # the server's own process has served a request already
child = os.fork()
if child == 0:
    os._exit(wait(link))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


async def test_each_process_of_a_server_that_forks_has_its_own_link(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, LONG) as here:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", FORKING, here.room)
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_a_silent_feed_counts_as_cut_off(tmp_path: Path, store_url: str, client: Redis) -> None:
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        writer.write(head + b"event: hello\ndata: {}\n\n")
        await writer.drain()
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = RoomLink(f"http://127.0.0.1:{port}", silent_s=1.0)
    try:
        link.start()

        async def connected() -> bool:
            return link.connected

        async def cut_off() -> bool:
            return not link.connected

        await until(connected)
        await until(cut_off)
    finally:
        link.close()
        silent.set()
        server.close()


@pytest.mark.parametrize("url", ["room.example.org", "ftp://room.example.org", "http://"])
def test_a_link_needs_an_address(url: str) -> None:
    with pytest.raises(Exception, match="not an http"):
        RoomLink(url)
