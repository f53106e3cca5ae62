"""What the gate's tests are written with: buyers who hold a pass, and the parts of a gate without room and store."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from rulebook import Onsale
from tests.ports import free_port
from tests.waitingroom.samples import KEYRING, device, onsale
from waitingroom.gate.app import make_gate_app
from waitingroom.gate.checkpoint import Checkpoint
from waitingroom.gate.guard import Guard
from waitingroom.gate.limits import ProxyLimits
from waitingroom.gate.proxy import ProxyGate
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.shopclient import shop_client
from waitingroom.gate.trust import TrustedProxies
from waitingroom.gate.upstreams import Upstreams
from waitingroom.keyring import Keyring
from waitingroom.passes import Pass, device_hash, sign_pass
from waitingroom.web.cookies import device_cookie

ROOM_URL = "https://room.example.org"
OPEN = (onsale(protect=[{"path": "/cactus"}]),)
PAGE = "text/html,application/xhtml+xml"


def admission(session: str = "s-1", sale: str = "cactus", *, age_s: int = 0, left_s: int = 60) -> Pass:
    """Return a pass of the device `device(1)`: issued `age_s` ago, expiring in `left_s`."""
    now = int(time.time())
    return Pass(session, sale, device_hash(device(1)), now - age_s, now + left_s, now + 300)


def cookies(
    admitted: Pass | None = None,
    *,
    keyring: Keyring = KEYRING,
    of_device: str | None = None,
    secure: bool = True,
) -> str:
    """Return the `Cookie` header of an admitted buyer, over https unless said otherwise."""
    held = admitted or admission()
    token = sign_pass(held, keyring)
    name = device_cookie(secure=secure)
    return f"theme=dark; {name}={of_device or device(1)}; tidegate_pass_{held.onsale}={token}"


def checkpoint(sessions: Sessions | None = None) -> Checkpoint:
    """Return a checkpoint without any store."""
    return Checkpoint(KEYRING, sessions or Sessions({}), secure_cookies=True)


@asynccontextmanager
async def proxied(
    shop: web.Application,
    *,
    onsales: Iterable[Onsale] = (onsale(),),
    sessions: Sessions | None = None,
    free_hosts: Iterable[str] = (),
    trusted: Iterable[str] = (),
    limits: ProxyLimits | None = None,
    urls: Iterable[str] | None = None,
) -> AsyncIterator[str]:
    """Have the reverse proxy before a shop, without room and store; yields its address. `urls` stand for the shop's own."""
    known = sessions or Sessions({})
    async with (
        TestServer(shop) as server,
        shop_client(limits or ProxyLimits()) as session,
    ):
        gate = ProxyGate(
            Guard(onsales, free_hosts=free_hosts),
            checkpoint(known),
            {},
            known,
            Upstreams([str(server.make_url("/"))] if urls is None else urls),
            session,
            trusted=TrustedProxies(trusted),
            room_url=ROOM_URL,
            secure_cookies=True,
            limits=limits or ProxyLimits(),
        )
        proxy = TestServer(make_gate_app(gate))
        await proxy.start_server(max_field_size=16_384, max_line_size=16_384, auto_decompress=False)
        try:
            yield str(proxy.make_url("/")).rstrip("/")
        finally:
            await proxy.close()


def shop_of(handler: Handler) -> web.Application:
    """Return a shop with one handler for everything."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


async def exchange(address: str, sent: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the connection is closed."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


async def tell(request: web.Request) -> web.Response:
    """A shop which tells what reached it."""
    body = (await request.read()).decode()
    return web.json_response({"path": request.raw_path, "headers": dict(request.headers), "body": body})


async def raw_shop(answer: bytes) -> tuple[asyncio.Server, str]:
    """Start a shop which answers every connection with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    port = free_port()
    return await asyncio.start_server(serve, "127.0.0.1", port), f"http://127.0.0.1:{port}"
