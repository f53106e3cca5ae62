"""Runs the waiting room: loads documents and keys, opens the store, keeps the rooms moving, serves room and gate."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog
from aiohttp import web
from redis.asyncio import Redis

from rulebook import DocumentErrors, Onsale, load_documents
from waitingroom.errors import ConfigurationError, StoreUnavailable
from waitingroom.gate.checkpoint import Checkpoint
from waitingroom.gate.guard import Guard
from waitingroom.gate.proxy import ProxyGate
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.upstreams import Upstreams
from waitingroom.keyfiles import load_keyring
from waitingroom.metrics import room_registry
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.settings import ListenAddress, QueueSettings
from waitingroom.store.client import OnsaleStore, connect
from waitingroom.web.app import make_room_app

_SHUTDOWN_S = 10.0

log = structlog.get_logger(__name__)


async def run_queue(settings: QueueSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way.

    Raises:
        ConfigurationError: documents, keys, addresses or the store's URL cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings):
        await stop.wait()
        log.info("queue_stopping")


@asynccontextmanager
async def serving(settings: QueueSettings) -> AsyncIterator[Mapping[str, Room]]:
    """Have room and gate up for as long as the block lasts.

    Raises:
        ConfigurationError: as `run_queue`.
    """
    onsales = _load_onsales(settings)
    keyring = load_keyring(settings.keys, onsales)
    async with AsyncExitStack() as stack:
        client = _connect(settings.store)
        stack.push_async_callback(client.aclose)
        rooms = {
            name: Room(
                onsale,
                OnsaleStore(client, name, room_settings(onsale)),
                keyring,
                poll_budget_per_s=settings.poll_budget_per_s,
            )
            for name, onsale in onsales.items()
        }
        sessions = Sessions(rooms)

        app = make_room_app(rooms, keyring, room_registry(rooms), secure_cookies=settings.secure_cookies)
        await _listen(stack, app, settings.listen)
        log.info(
            "room_listening", host=settings.listen.host, port=settings.listen.port, onsales=sorted(rooms)
        )
        if settings.gate is not None:
            upstreams = Upstreams(settings.upstreams, settings.upstream_file)
            _in_background(stack, upstreams.watch())
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            await stack.enter_async_context(session)
            gate = ProxyGate(
                Guard(onsales.values()),
                Checkpoint(keyring, sessions),
                rooms,
                sessions,
                upstreams,
                session,
                room_url=settings.room_url,
                secure_cookies=settings.secure_cookies,
            )
            gate_app = web.Application()
            gate_app.router.add_route("*", "/{path:.*}", gate.handle)
            await _listen(stack, gate_app, settings.gate)
            log.info("gate_listening", host=settings.gate.host, port=settings.gate.port)
        for room in rooms.values():
            _in_background(stack, _keep_moving(room, settings.refresh_every_s))
        _in_background(stack, sessions.run())
        yield rooms
        await sessions.flush()


def _load_onsales(settings: QueueSettings) -> Mapping[str, Onsale]:
    try:
        onsales = load_documents(settings.onsales).onsales
    except DocumentErrors as error:
        raise ConfigurationError(str(error)) from error
    if not onsales:
        raise ConfigurationError(f"{settings.onsales}: holds no document of kind Onsale")
    return onsales


def _connect(url: str) -> Redis:
    try:
        return connect(url)
    except ValueError as error:
        raise ConfigurationError(f"store {url.rsplit('@', maxsplit=1)[-1]!r}: {error}") from error


async def _listen(stack: AsyncExitStack, app: web.Application, address: ListenAddress) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(
            f"cannot listen on {address.host}:{address.port}: {reason}; choose another address"
        ) from error


async def _keep_moving(room: Room, every_s: float) -> None:
    """Release and refresh for as long as the task lives; the store may come and go."""
    configured = False
    reachable = True
    while True:
        try:
            if configured:
                await room.refresh()
            else:
                await room.configure()
                configured = True
            if not reachable:
                log.info("store_back", onsale=room.name)
            reachable = True
        except StoreUnavailable as error:
            if reachable:
                log.warning("store_unavailable", onsale=room.name, reason=str(error))
            reachable = False
        except Exception:  # a room that stops moving would stop its sale: say what happened and go on
            log.exception("refresh_failed", onsale=room.name)
        await asyncio.sleep(every_s)


def _in_background(stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    """Run `work` until the stack unwinds."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)
