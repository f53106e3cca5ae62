"""Puts the console together as an application of its own, which the scaler's server takes in under `/console`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import cache

import aiohttp
from aiohttp import web

from autoscaler.clock import SystemClock
from autoscaler.console import actions, live, logs, onsale_pages, pages, signing_in
from autoscaler.console.audit import Audit
from autoscaler.console.base import CONSOLE, ROOT, Console, see_other
from autoscaler.console.guard import guard, harden
from autoscaler.console.history import Chronicle
from autoscaler.console.leaders import LeaderAddress
from autoscaler.console.live import pause
from autoscaler.console.remembering import EVERY_S, Remembering, Standing
from autoscaler.console.roomadmin import RoomAdmin
from autoscaler.console.settings import ConsoleSettings
from autoscaler.console.tokens import open_tokens
from autoscaler.ending import end_tasks
from autoscaler.scaler import Scaler
from autoscaler.store.shelves import Shelves

MAX_FORM = 64 * 1024
LAST_WORDS_S = 3.0
"""How long the end waits for what is still to be kept, however late the store answers."""
KEEPING = web.AppKey("keeping", asyncio.Task[None])


def add_console(
    parent: web.Application,
    settings: ConsoleSettings,
    chronicle: Chronicle,
    scaler: Callable[[], Scaler],
    *,
    listens: str,
    writes: bool,
) -> None:
    """Serve the console of a scaler, which is asked for once it is up.

    `listens` is the address of this process; `writes` is whether the history may be written, which a dry run's may not.

    Raises:
        ConfigurationError: the token file cannot be used.
    """
    tokens = open_tokens(settings.tokens)
    app = web.Application(middlewares=[guard], client_max_size=MAX_FORM)

    @cache
    def shelves() -> Shelves:
        return Shelves(scaler().store)

    async def console_context(app: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as http:
            room = None
            if settings.room_admin is not None and settings.room_admin_token_file is not None:
                room = RoomAdmin(settings.room_admin, settings.room_admin_token_file, http)
            leader = LeaderAddress(
                settings.url or f"{listens}{ROOT}/", lambda: scaler().leadership, writes=writes
            )
            app[CONSOLE] = Console(
                settings=settings,
                chronicle=chronicle,
                scaler=scaler,
                tokens=tokens,
                audit=Audit(shelves),
                room=room,
                leader=leader,
                proxies=settings.proxies,
            )
            history = app[CONSOLE].onsale_history
            remembering = Remembering(chronicle, history, lambda: _standing(scaler(), writes=writes))
            keeping = _keep(remembering, app[CONSOLE], shelves)
            app[KEEPING] = asyncio.create_task(keeping, name="keep the console's history")
            async with AsyncExitStack() as stack:
                if room is not None:
                    await stack.enter_async_context(history.following(room, SystemClock()))
                yield
            await end_tasks([app[KEEPING]])

    app.cleanup_ctx.append(console_context)
    app.on_response_prepare.append(harden)
    app.on_shutdown.append(_stop_streams)
    app.add_routes(
        [
            web.get("/", pages.show_services),
            web.get("/sign-in", signing_in.show_sign_in),
            web.post("/sign-in", signing_in.sign_in),
            web.post("/sign-out", signing_in.sign_out),
            web.get("/services/{rule}", pages.show_service),
            web.post("/services/{rule}/mode", actions.set_mode),
            web.post("/services/{rule}/restart", actions.restart),
            web.get("/services/{rule}/log", logs.show_log),
            web.get("/services/{rule}/log/stream", logs.stream_log),
            web.get("/onsales", pages.show_onsales),
            web.get("/onsales/{onsale}", onsale_pages.show_onsale),
            web.post("/onsales/{onsale}/{action}", onsale_pages.act),
            web.get("/audit", pages.show_audit),
            web.get("/live", live.stream_ticks),
            web.get("/static/{name}", pages.show_static),
        ]
    )
    parent.add_subapp(ROOT, app)
    parent.router.add_get("/", _to_console)
    parent.router.add_get(ROOT, _to_console)


async def _to_console(request: web.Request) -> web.StreamResponse:
    return see_other(f"{ROOT}/")


async def _stop_streams(app: web.Application) -> None:
    """Have open streams end before the server waits for them, and keep the history once more while there is a store."""
    if CONSOLE in app:
        app[CONSOLE].stopping.set()
        # No longer than that: after us the loops end, and the lease is given back.
        await asyncio.wait({app[KEEPING]}, timeout=LAST_WORDS_S)


async def _keep(remembering: Remembering, console: Console, shelves: Callable[[], Shelves]) -> None:
    """Carry on until the end, and once more then."""
    ended = False
    while not ended:
        ended = console.stopping.is_set()
        # What people did comes first: at the end there may be no time for the rest.
        await console.audit.carry_on(math.inf if ended else time.monotonic())
        await console.leader.carry_on(shelves())
        await remembering.carry_on(shelves())
        await pause(console.stopping, EVERY_S)


def _standing(scaler: Scaler, *, writes: bool) -> Standing:
    rules = scaler.crew.plan.rules
    targets = {name: rules[name].spec.target.key for name in scaler.loops if name in rules}
    return Standing(scaler.leadership.is_leading(), writes, targets)
