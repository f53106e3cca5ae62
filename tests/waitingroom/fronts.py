"""Real proxies before the gate, run with the very configuration which the how-to shows; room and shop are on two domains.

A proxy is started once for a module; each test has a room and a shop of its own, on the ports that the proxy knows.
"""

import asyncio
import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from autoscaler.targets import launcher
from rulebook import Onsale
from tests.certificates import make_certificate
from tests.ports import free_port
from tests.tools import need
from tests.waitingroom.living import HTML, JSON, Living, echo, living
from waitingroom.settings import ListenAddress

HOW_TO = Path(__file__).parents[2] / "docs/how-to/gate.md"
SHOP = "tickets.example.org"
_UP_WITHIN_S = 30
_NGINX_MAIN = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/tidegate.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    """A proxy which runs: where it listens, and the ports on which it looks for room and shop."""

    name: str
    address: str
    room_port: int
    shop_port: int


Begin = Callable[[Path, Front, int], list[str]]


def documented(name: str) -> str:
    """Return the configuration of this name in the how-to."""
    found = re.search(
        rf"```\w+\n# (?:\S+/)?{re.escape(name)}\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL
    )
    assert found is not None, f"the how-to shows no {name}"
    return found[1]


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Put ours in the place of what the how-to shows; each must be there."""
    for written, ours in pairs:
        assert written in text, f"{written}: not in the configuration"
        text = text.replace(written, ours)
    return text


def _both(front: Front) -> tuple[tuple[str, str], ...]:
    return (
        ("127.0.0.1:8080", f"127.0.0.1:{front.room_port}"),
        ("127.0.0.1:3000", f"127.0.0.1:{front.shop_port}"),
    )


def _nginx(folder: Path, front: Front, port: int) -> list[str]:
    certificate = str(make_certificate(folder, "example"))
    ours = (
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        (
            "listen 443 ssl;",
            f"listen 127.0.0.1:{port};",
        ),  # as all of these proxies are asked by plain HTTP here
        ("/etc/ssl/example.org.pem", certificate),
        ("/etc/ssl/example.org.key", certificate),
    )
    (folder / "tidegate.conf").write_text(replaced(documented("tidegate.conf"), *_both(front), *ours))
    config = folder / "nginx.conf"
    config.write_text(_NGINX_MAIN.format(folder=folder))
    return [need("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]


def _traefik(folder: Path, front: Front, port: int) -> list[str]:
    (folder / "tidegate.yaml").write_text(replaced(documented("tidegate.yaml"), *_both(front)))
    static = replaced(
        documented("traefik.yaml"),
        ('address: ":80"', f'address: "127.0.0.1:{port}"'),
        ("filename: tidegate.yaml", f"filename: {folder / 'tidegate.yaml'}"),
    )
    quiet = "global: {checkNewVersion: false, sendAnonymousUsage: false}\nlog: {level: ERROR}\n"
    (folder / "traefik.yaml").write_text(static + quiet)
    return [need("traefik"), f"--configfile={folder / 'traefik.yaml'}"]


def _envoy(folder: Path, front: Front, port: int) -> list[str]:
    text = replaced(
        documented("envoy.yaml"),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{front.room_port}"),
        ("address: 127.0.0.1, port_value: 8080", f"address: 127.0.0.1, port_value: {front.room_port}"),
        ("address: 127.0.0.1, port_value: 3000", f"address: 127.0.0.1, port_value: {front.shop_port}"),
        ("address: 0.0.0.0, port_value: 80}", f"address: 127.0.0.1, port_value: {port}}}"),
    )
    config = folder / "envoy.yaml"
    config.write_text(text)
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
    return [need("envoy"), "-c", str(config), *options]


PROXIES: Mapping[str, Begin] = {"nginx": _nginx, "traefik": _traefik, "envoy": _envoy}


@contextmanager
def started(name: str, folder: Path) -> Iterator[Front]:
    """Run a proxy until the block ends; it dies with these tests."""
    port = free_port()
    front = Front(name, f"http://127.0.0.1:{port}", free_port(), free_port())
    command = PROXIES[name](folder, front, port)
    bound_to_us = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen([*bound_to_us, *command], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _UP_WITHIN_S
        while not _routes(port):
            assert process.poll() is None, (folder / "output.txt").read_text()
            assert time.monotonic() < deadline, (folder / "output.txt").read_text()
            time.sleep(0.02)
        yield front
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _routes(port: int) -> bool:
    """Tell whether the proxy knows its configuration: Traefik answers 404 before it has read it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/cactus", headers={"Host": SHOP})
        return connection.getresponse().status != HTTPStatus.NOT_FOUND
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def talk(request: web.Request) -> web.StreamResponse:
    """The shop: tells what reached it, or talks back by WebSocket."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return await echo(request)
    socket_ = web.WebSocketResponse()
    await socket_.prepare(request)
    await socket_.send_str(request.headers.get("X-Tidegate-Session", ""))
    async for message in socket_:
        await socket_.send_str(f"shop: {message.data}")
    return socket_


@dataclass
class Browser:
    """A browser at the shop's host, with the cookies of that host alone."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        told = {**JSON, "Host": SHOP, **more}
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return told

    async def ask(
        self, path: str, more: Mapping[str, str] | None = None, method: str = "GET", data: str | None = None
    ) -> tuple[aiohttp.ClientResponse, str]:
        """Ask for a path as it stands, and keep the cookies which are set."""
        url = URL(self.address + path, encoded=True)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(
                method, url, headers=self.headers(more or {}), data=data, allow_redirects=False
            ) as answer,
        ):
            text = await answer.text()
        self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
        return answer, text


@dataclass(frozen=True)
class Fronted:
    """A room, and a proxy before a shop."""

    here: Living
    front: Front

    def browser(self) -> Browser:
        return Browser(self.front.address)

    async def way_in(self, buyer: aiohttp.ClientSession) -> str:
        """Join, wait and enter; return the path at the shop's host to which the room leads."""
        async with buyer.post(f"{self.here.room}/cactus/join") as joined:
            assert joined.status == 200
        async with asyncio.timeout(30):
            while True:
                async with buyer.post(f"{self.here.room}/cactus/enter?return=/cactus/seats") as entered:
                    if entered.status == 200:
                        location = URL(str((await entered.json())["location"]))
                        break
                await asyncio.sleep(0.02)
        assert (location.scheme, location.host) == ("https", SHOP)
        return location.path_qs

    async def admitted(self) -> Browser:
        """Return the browser of a buyer who has come in."""
        browser = self.browser()
        async with self.here.buyer() as buyer:
            answer, text = await browser.ask(await self.way_in(buyer), HTML)
        assert answer.status == 303, text
        return browser


@asynccontextmanager
async def fronted_by(
    front: Front, folder: Path, store_url: str, *onsales: Onsale, **changes: Any
) -> AsyncIterator[Fronted]:
    """Have room and shop up behind a proxy that runs; `changes` replace fields of the room's settings."""
    shop = web.Application()
    shop.router.add_route("*", "/{path:.*}", talk)
    room = f"http://127.0.0.1:{front.room_port}"
    async with (
        TestServer(shop, port=front.shop_port),
        living(
            folder,
            store_url,
            *onsales,
            listen=ListenAddress("127.0.0.1", front.room_port),
            room_url=room,
            **changes,
        ) as here,
    ):
        yield Fronted(replace(here, room=room), front)


async def raw(address: str, request: bytes, until: bytes | None = None, *, silence_s: float = 5) -> bytes:
    """Send bytes as they are, and return what comes until these bytes, the end of the connection or a long silence."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while not (until and until in answer) and (
                chunk := await asyncio.wait_for(reader.read(65_536), 30 if until else silence_s)
            ):
                answer += chunk
        return answer
    finally:
        writer.close()
