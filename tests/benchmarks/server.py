"""A server of the benchmarks, in a process of its own, under uvloop as in production; see `children` for how it is run.

Four kinds: `room` is the waiting room as `serving` puts it up; `checkpoint` is the gate's check behind the least handler that
answers with its outcome; `bare` is an aiohttp handler which always gives the same answer, the limit that the others are held to;
`sorted-set` is a waiting room as people write it.

All run one aiohttp with the settings of `run_queue` that bear on speed: no access log, no cancelling of handlers, the same
thresholds of the garbage collector. `bare` is what aiohttp's own tutorial shows: one route without variables and one
`web.Response`, which carries the headers and as many bytes as the answer it is held against. It takes in the same requests,
cookies and all, but looks at none of it.

Where `PROFILE_INTO` names a folder, each room writes there at its end where its time went, by pyinstrument.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler

from rulebook import load_documents
from tests.benchmarks.children import obey, resident_kb
from tests.benchmarks.sorted_set import make_app
from waitingroom import revocations
from waitingroom.garbage import tune_collector
from waitingroom.gate.checkpoint import Checkpoint
from waitingroom.gate.sessions import Sessions
from waitingroom.keyfiles import load_keyring
from waitingroom.serve import serving
from waitingroom.settings import ListenAddress, QueueSettings

# What aiohttp adds to every answer by itself.
_OWN_HEADERS = {"content-type", "content-length", "date", "server"}


@asynccontextmanager
async def room(options: Mapping[str, Any]) -> AsyncIterator[None]:
    """Have the waiting room up, its counters read from the store; revocations are followed no more often than they are."""
    revocations.FOLLOW_EVERY_S = max(revocations.FOLLOW_EVERY_S, options["refresh_every_s"])
    settings = QueueSettings(
        onsales=Path(options["folder"]) / "onsales",
        store=options["store"],
        keys=Path(options["folder"]) / "keys",
        listen=ListenAddress("127.0.0.1", options["port"]),
        room_url=f"http://127.0.0.1:{options['port']}",
        refresh_every_s=options["refresh_every_s"],
    )
    async with serving(settings) as hall:
        while any(each.snapshot is None for each in hall.rooms.values()):
            await asyncio.sleep(0.01)
        yield


@asynccontextmanager
async def checkpoint(options: Mapping[str, Any]) -> AsyncIterator[None]:
    """Have the gate's check up."""
    folder = Path(options["folder"])
    onsale = next(iter(load_documents(folder / "onsales").onsales.values()))
    check = Checkpoint(load_keyring(folder / "keys", []), Sessions({}), secure_cookies=True).check

    async def handle(request: web.Request) -> web.Response:
        allowed = check(onsale, request.headers.get("Cookie"), time.time())
        if allowed is None:
            return web.Response(status=401)
        return web.Response(headers={"X-Tidegate-Session": allowed.admission.session})

    async with _listening(_one_route("GET", options["path"], handle), options["port"]):
        yield


@asynccontextmanager
async def bare(options: Mapping[str, Any]) -> AsyncIterator[None]:
    """Have a handler up which gives an answer of the same length and headers as the one it is held against."""
    told = {name.lower(): value for name, value in options["headers"]}
    body = b"x" * options["length"] or None
    content_type = told["content-type"].partition(";")[0] if "content-type" in told else None
    headers = [(name, value) for name, value in options["headers"] if name.lower() not in _OWN_HEADERS]

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, headers=headers)

    async with _listening(_one_route(options["method"], options["path"], handle), options["port"]):
        yield


@asynccontextmanager
async def sorted_set(options: Mapping[str, Any]) -> AsyncIterator[None]:
    """Have a waiting room over a sorted set up."""
    async with _listening(make_app(options["store"], options["name"], options["key"]), options["port"]):
        yield


def _one_route(method: str, path: str, handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_route(method, path, handler)
    return app


@asynccontextmanager
async def _listening(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


async def serve(options: Mapping[str, Any]) -> None:
    """Serve until the input ends; `cpu` asks for the processor time used so far, `rss_kb` for the memory in use."""
    kinds = {"room": room, "checkpoint": checkpoint, "bare": bare, "sorted-set": sorted_set}
    async with kinds[options["kind"]](options):
        tune_collector()
        await obey({"cpu": time.process_time, "rss_kb": resident_kb})


@contextmanager
def profiled(kind: str) -> Iterator[None]:
    """Write a room's profile as text into the folder that `PROFILE_INTO` names; without one nothing is profiled."""
    into = os.environ.get("PROFILE_INTO")
    if into is None or kind != "room":
        yield
        return
    from pyinstrument import Profiler

    # Not by task: handlers are called out of the connection's own callbacks, which belong to none.
    profiler = Profiler(interval=0.0005, async_mode="disabled")
    with profiler:
        yield
    text = profiler.output_text(show_all=True, flat=True)
    (Path(into) / f"{kind}-{os.getpid()}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _options = json.loads(sys.argv[1])
    with profiled(_options["kind"]):
        uvloop.run(serve(_options))
