"""Joins two WebSockets, the buyer's and the shop's: message by message, both ways, until either closes or the stay is over."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp
from aiohttp import WSMessage, WSMsgType, web

from waitingroom.gate.limits import ProxyLimits
from waitingroom.gate.stay import Stay
from waitingroom.gate.taking import NothingTaken, take

Shop: TypeAlias = aiohttp.ClientWebSocketResponse
Socket: TypeAlias = Shop | web.WebSocketResponse

_STAY_OVER = 1008  # RFC 6455, 7.4.1: policy violation
_GONE = 1001
_NOT_SENDABLE = frozenset({1004, 1005, 1006, 1015})


@dataclass(frozen=True, slots=True)
class Closing:
    """With which code and reason to close."""

    code: int
    reason: bytes = b""


async def join(
    buyer: web.WebSocketResponse,
    shop: aiohttp.ClientWebSocketResponse,
    stay: Stay | None,
    limits: ProxyLimits,
    cut: Callable[[], None],
) -> None:
    """Pass messages until one side closes; then close the other in the same way.

    A buyer who takes nothing for as long as `limits` allow is `cut` off: closed in the usual way, the connection would wait until
    all is taken.
    """
    tasks = [
        asyncio.create_task(_pump(buyer, shop, stay, None)),
        asyncio.create_task(_pump(shop, buyer, None, limits.body_s)),
    ]
    if stay is not None:
        tasks.append(asyncio.create_task(_watch(stay, limits.watch_every_s)))
    closing = Closing(_GONE)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        closing = next(iter(done)).result()
    except ConnectionError:
        pass  # one side has gone without a word: the other hears 1001
    except NothingTaken:
        cut()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(_close(shop, closing, None, cut), _close(buyer, closing, limits.body_s, cut))


async def _close(socket: Socket, closing: Closing, within_s: float | None, cut: Callable[[], None]) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        try:
            await take(socket.close(code=closing.code, message=closing.reason), within_s)
        except NothingTaken:
            cut()


async def _pump(source: Socket, sink: Socket, stay: Stay | None, within_s: float | None) -> Closing:
    """Pass messages from one to the other, which takes each `within_s` seconds, None for no limit."""
    while True:
        message = await source.receive()
        if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
            return _closing(source, message)
        if stay is not None and message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            stay.active(time.time())
        await take(_send(sink, message), within_s)


async def _send(sink: Socket, message: WSMessage) -> None:
    if message.type is WSMsgType.TEXT:
        await sink.send_str(message.data)
    elif message.type is WSMsgType.BINARY:
        await sink.send_bytes(message.data)
    elif message.type is WSMsgType.PING:
        await sink.ping(message.data)
    elif message.type is WSMsgType.PONG:
        await sink.pong(message.data)


def _closing(source: Socket, message: WSMessage) -> Closing:
    code = message.data if message.type is WSMsgType.CLOSE else source.close_code
    if code in {0, 1005}:  # closed without saying why
        return Closing(1000)
    if code in _NOT_SENDABLE or not isinstance(code, int) or not 1000 <= code < 5000:
        return Closing(_GONE)
    reason = message.extra if message.type is WSMsgType.CLOSE else ""
    return Closing(code, (reason or "").encode()[:123])


async def _watch(stay: Stay, every_s: float) -> Closing:
    while not stay.is_over(time.time()):  # noqa: ASYNC110 - it ends by the clock, too
        await asyncio.sleep(every_s)
    return Closing(_STAY_OVER, b"the session is over")
