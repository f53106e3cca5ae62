"""Runs the waiting room: loads documents and keys, opens the store, keeps the rooms moving, serves room and gate."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from rulebook.storeaddress import check_closed, public_form, read_address
from waitingroom.ending import end_tasks
from waitingroom.errors import ConfigurationError
from waitingroom.garbage import tune_collector
from waitingroom.gate.app import make_gate_app
from waitingroom.gate.arrival import Arrival
from waitingroom.gate.auth import AuthGate
from waitingroom.gate.checkpoint import Checkpoint
from waitingroom.gate.guard import Guard
from waitingroom.gate.metrics import GateCollector, GateFigures
from waitingroom.gate.proxy import ProxyGate
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.shopclient import shop_client
from waitingroom.gate.trust import TrustedProxies
from waitingroom.gate.upstreams import Upstreams
from waitingroom.hall import Hall
from waitingroom.handovers import Handovers
from waitingroom.metrics import room_registry
from waitingroom.pages import Pages
from waitingroom.settings import ListenAddress, QueueSettings
from waitingroom.sharing import SharedCollector, Slot
from waitingroom.store.connect import StoreClient, connect
from waitingroom.web.app import make_room_app
from waitingroom.web.back_office import install_back_office
from waitingroom.web.gate_api import GateApi
from waitingroom.web.limits import Clients, Limit
from waitingroom.web.moving import MovingHandlers
from waitingroom.web.pagedesk import explain_problems
from waitingroom.web.patience import Patience
from waitingroom.web.quick import QuickLane

_SHUTDOWN_S = 10.0
_FIRST_LOOK_S = 2.0
_MAX_LINE_BYTES = 32_768  # above what nginx takes, as its question to the gate repeats the buyer's cookies

log = structlog.get_logger(__name__)


async def run_queue(settings: QueueSettings, slot: Slot | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way; SIGHUP has documents and keys read again.

    `slot` is this worker's, where it is one of several.

    Raises:
        ConfigurationError: documents, keys, addresses or the store's URL cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Before the start, which takes a while: unheeded, the signal ends the process.
    again = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, again.set)
    async with serving(settings, slot) as hall:
        tune_collector()
        reloading = asyncio.create_task(_reload_when_told(hall, again))
        await stop.wait()
        reloading.cancel()
        log.info("queue_stopping")


@asynccontextmanager
async def serving(settings: QueueSettings, slot: Slot | None = None) -> AsyncIterator[Hall]:
    """Have room and gate up for as long as the block lasts.

    Raises:
        ConfigurationError: as `run_queue`.
    """
    trusted = TrustedProxies(settings.trusted_proxies)
    pages = Pages(settings.pages)
    async with AsyncExitStack() as stack:
        client = _connect(settings)
        stack.push_async_callback(client.aclose)
        hall = Hall(settings, client)
        rooms, keyring = hall.rooms, hall.keyring
        sessions = Sessions(rooms)
        stack.push_async_callback(sessions.flush)  # after the servers have finished what was under way
        guard = Guard(hall.onsales.values(), hall.hours, free_hosts=settings.free_hosts)
        hall.on_change.append(lambda onsales: guard.replace(onsales.values()))
        checkpoint = Checkpoint(keyring, sessions, secure_cookies=settings.secure_cookies)
        auth = AuthGate(
            guard,
            checkpoint,
            trusted,
            room_url=settings.room_url,
            secure_cookies=settings.secure_cookies,
        )

        handovers = Handovers(rooms, client, keyring, room_url=settings.room_url)
        clients = Clients(trusted)
        codes = Limit(clients, settings.join_rate_per_s, settings.join_burst, workers=settings.workers)
        arrival = Arrival(handovers, trusted, codes, secure_cookies=settings.secure_cookies)
        registry = room_registry(rooms, hall.store_calls)
        shown = registry if slot is None else _shared(stack, registry, slot)
        moving = MovingHandlers(rooms, clients, secure_cookies=settings.secure_cookies)
        app = make_room_app(
            rooms,
            keyring,
            shown,
            handovers,
            pages=pages,
            clients=clients,
            secure_cookies=settings.secure_cookies,
            more_routes=[
                *arrival.routes(),
                *auth.routes(),
                *moving.routes(),
                *GateApi(rooms, keyring, checkpoint, sessions, handovers).routes(),
            ],
        )
        office = install_back_office(app, rooms, client, sessions, trusted, settings)
        app.middlewares.insert(0, explain_problems)
        lane = QuickLane(rooms, auth, office.shield, secure_cookies=settings.secure_cookies)
        hall.on_change.append(lambda onsales: lane.follow())
        await hall.look(_FIRST_LOOK_S)
        shared = settings.workers > 1
        await _listen(stack, app, settings.listen, Patience(trusted), shared=shared, lane=lane)
        log.info(
            "room_listening", host=settings.listen.host, port=settings.listen.port, onsales=sorted(rooms)
        )
        counts, exchanges = dict(auth.counts), None
        if settings.gate is not None:
            shop = await _shop(stack, settings)
            gate = ProxyGate(
                guard,
                checkpoint,
                rooms,
                sessions,
                *shop,
                arrival,
                trusted=trusted,
                room_url=settings.room_url,
                secure_cookies=settings.secure_cookies,
                limits=settings.gate_limits,
            )
            await _listen(
                stack,
                make_gate_app(gate),
                settings.gate,
                Patience(trusted),
                max_line=settings.gate_limits.max_line_bytes,
                proxies=True,
                shared=shared,
            )
            log.info("gate_listening", host=settings.gate.host, port=settings.gate.port)
            counts["proxy"], exchanges = gate.counts, gate.exchanges
        figures = GateFigures(
            counts=counts,
            renewals=lambda: checkpoint.renewals,
            feed_connected=lambda: office.revocations.connected,
            exchanges=exchanges,
            handovers=handovers.counts,
            listeners=lambda: office.revocations.listeners,
        )
        registry.register(GateCollector(figures))
        hall.start()
        stack.push_async_callback(hall.stop)
        _in_background(stack, hall.watch())
        _in_background(stack, sessions.run())
        _in_background(stack, office.revocations.run())
        yield hall


def _shared(stack: AsyncExitStack, own: CollectorRegistry, slot: Slot) -> CollectorRegistry:
    """Return a registry that shows the figures of all workers, as each keeps its own on the board from now on."""
    collector = SharedCollector(own, slot)
    _in_background(stack, collector.run())
    shown = CollectorRegistry()
    shown.register(collector)
    return shown


async def _shop(stack: AsyncExitStack, settings: QueueSettings) -> tuple[Upstreams, aiohttp.ClientSession]:
    """Return the shop's replicas, followed from now on, and the client by which the gate asks them."""
    upstreams = Upstreams(settings.upstreams, settings.upstream_file)
    _in_background(stack, upstreams.watch())
    return upstreams, await stack.enter_async_context(shop_client(settings.gate_limits))


async def _reload_when_told(hall: Hall, told: asyncio.Event) -> None:
    while True:
        await told.wait()
        told.clear()
        try:
            await hall.reload()
        except Exception:  # the next signal is heeded all the same
            log.exception("reload_failed")


def _connect(settings: QueueSettings) -> StoreClient:
    url = settings.store
    try:
        check_closed(read_address(url), allow_open=settings.allow_open_store)
        return connect(url, allow_open=settings.allow_open_store)
    except ValueError as error:
        raise ConfigurationError(f"store {public_form(url)!r}: {error}") from error


async def _listen(
    stack: AsyncExitStack,
    app: web.Application,
    address: ListenAddress,
    patience: Patience,
    *,
    max_line: int = _MAX_LINE_BYTES,
    proxies: bool = False,
    shared: bool = False,
    lane: QuickLane | None = None,
) -> None:
    """Serve `app`, behind `lane` if there is one; with `shared`, beside other workers on one address.

    `patience` closes connections that say nothing. Where `app` is a proxy, a handler is cancelled when its client has gone,
    and so is what it asks of others; and bodies are left as they came, compressed or not.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_S,
        handler_cancellation=proxies,
        auto_decompress=not proxies,
        max_line_size=max_line,
        max_field_size=max_line,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if runner.server is not None:
        if lane is not None:
            lane.install(runner.server)
        patience.install(runner.server)
        _in_background(stack, patience.watch())
    try:
        await web.TCPSite(runner, address.host, address.port, reuse_port=shared or None).start()
    except OSError as error:
        named = error.errno is not None and error.errno > 0  # those of the resolver are negative
        reason = os.strerror(error.errno or 0) if named else error.strerror or str(error)
        raise ConfigurationError(
            f"cannot listen on {address.host}:{address.port}: {reason}; choose another address"
        ) from error


def _in_background(stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    """Run `work` until the stack unwinds."""
    task = asyncio.create_task(work)

    async def end() -> None:
        await end_tasks([task])

    stack.push_async_callback(end)
