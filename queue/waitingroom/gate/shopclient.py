"""The client by which the reverse proxy asks the shop: it changes nothing of an answer, keeps no cookies, and waits as told."""

from __future__ import annotations

import aiohttp

from waitingroom.gate.limits import ProxyLimits


def shop_client(limits: ProxyLimits) -> aiohttp.ClientSession:
    """Return a client which goes by `limits`, to be closed by the caller.

    Its limits of time hold for the handshake of a WebSocket too, which takes none of its own; once the shop has agreed to it,
    nothing of them is left, and a WebSocket on which nothing happens stays.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=limits.total_s, sock_connect=limits.connect_s, sock_read=limits.read_s
        ),
    )
