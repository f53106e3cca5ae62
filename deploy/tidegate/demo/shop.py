"""One replica of a small real shop with limited capacity: `python -m tidegate.demo.shop --port P`.

At most `slots` checkouts run at once, each as long as a payment provider takes; further ones wait in the replica's own line, and
beyond a full line the replica turns buyers away: overload hurts. It knows nothing of the waiting room but the session header
which the gate sets, and logs every request so that a run can be counted from outside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import uvloop
from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from pydantic import TypeAdapter

from tidegate.demo.limits import CHECKOUT_S, LINE_LIMIT, SLOTS, STARTUP_S
from tidegate.demo.records import BUYER_HEADER, ServedEntry, Step

SESSION_HEADER = "X-Tidegate-Session"
END_HEADER = "X-Tidegate-End"

_TELL_EVERY_S = 2.0
_SHUTDOWN_S = 8.0  # a full line ends sooner
_RETRY_AFTER_S = 2
_BUCKETS_S = (0.4, 0.5, 0.6, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Concert tickets</title>
<h1>Concert tickets</h1><p>You are inside. <a href="/seats">Choose your seats</a>.</p></html>
"""


@dataclass(frozen=True, slots=True)
class ShopOptions:
    """How one replica runs; `slowdown` multiplies the time of a checkout, `log` is the folder of served logs, None for no log."""

    port: int
    host: str = "127.0.0.1"
    slots: int = SLOTS
    startup_s: float = STARTUP_S
    slowdown: float = 1.0
    log: Path | None = None


class Meters:
    """The replica's own metrics."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self.in_progress = Gauge(
            "shop_checkouts_in_progress",
            "Checkouts running or in the replica's line.",
            registry=self.registry,
        )
        self.seconds = Histogram(
            "shop_checkout_seconds",
            "Duration of checkouts, the line included.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.requests = Counter(
            "shop_requests", "Requests by path and status.", ["path", "code"], registry=self.registry
        )


class Shop:
    """The replica's handlers and its line."""

    def __init__(self, options: ShopOptions, log: TextIO | None) -> None:
        """Begin starting up: ready once `startup_s` have passed since the process began."""
        self._options = options
        self._log = log
        self._meters = Meters()
        self._slots = asyncio.Semaphore(options.slots)
        self._under_way = 0
        self._paid, self._paid_s = 0, 0.0
        self._ready_at = time.monotonic() + options.startup_s - process_age_s()

    def app(self) -> web.Application:
        """Assemble the application."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page_of(Step.LANDING, self._landing)),
                web.get("/seats", self._page_of(Step.SEATS, self._seats)),
                web.post("/checkout", self._page_of(Step.CHECKOUT, self._checkout)),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        return app

    def _page_of(
        self, step: Step, serve: Callable[[], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            session = request.headers.get(SESSION_HEADER)
            number = request.headers.get(BUYER_HEADER, "")
            buyer = int(number) if number.isascii() and number.isdigit() else None
            begun = time.time()
            self._note(ServedEntry(begun, session, buyer, step, "begin"))
            response = await serve()
            latency = time.time() - begun
            self._note(ServedEntry(time.time(), session, buyer, step, "done", response.status, latency))
            self._meters.requests.labels(request.path, str(response.status)).inc()
            return response

        return handle

    async def _landing(self) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    async def _seats(self) -> web.Response:
        return web.json_response({"blocks": ["A", "B", "C"], "price": "45.00 EUR"})

    async def _checkout(self) -> web.Response:
        if self._under_way >= self._options.slots + LINE_LIMIT:
            return web.json_response(
                {"error": "the shop is full"}, status=503, headers={"Retry-After": str(_RETRY_AFTER_S)}
            )
        self._under_way += 1
        begun = time.monotonic()
        try:
            with self._meters.in_progress.track_inprogress():
                async with self._slots:
                    await asyncio.sleep(random.uniform(*CHECKOUT_S) * self._options.slowdown)
        finally:
            self._under_way -= 1
        took_s = time.monotonic() - begun
        self._meters.seconds.observe(took_s)
        self._paid, self._paid_s = self._paid + 1, self._paid_s + took_s
        # A paid buyer needs no room in the shop any more: the gate frees it for the next one.
        return web.json_response({"status": "paid"}, headers={END_HEADER: "complete"})

    async def tell(self) -> None:
        """Print how it goes every few seconds, for whoever reads this replica's output."""
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            paid, paid_s = self._paid, self._paid_s
            self._paid, self._paid_s = 0, 0.0
            if paid or self._under_way:
                took = f", {paid_s / paid:.2f} s each" if paid else ""
                say(f"{paid} paid{took}; {self._under_way} under way, room for {self._options.slots} at once")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._meters.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        if time.monotonic() < self._ready_at:
            return web.Response(status=503, text="starting\n")
        return web.Response(text="ok\n")

    def _note(self, entry: ServedEntry) -> None:
        if self._log is not None:
            self._log.write(_ENTRIES.dump_json(entry).decode() + "\n")


_ENTRIES = TypeAdapter(ServedEntry)


def say(text: str) -> None:
    """Print a line with the time."""
    print(time.strftime("%H:%M:%S", time.gmtime()), text, flush=True)


def process_age_s() -> float:
    """Return how long this process has run: loading the program is part of starting up. 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        begun_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun_s)
    except (OSError, AttributeError):
        return 0.0


async def serve_shop(options: ShopOptions) -> None:
    """Serve until SIGTERM or SIGINT; then stop accepting and finish what runs.

    Raises:
        OSError: the port or the log cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log = _open_log(options)
    shop = Shop(options, log)
    runner = web.AppRunner(shop.app(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    telling = asyncio.create_task(shop.tell(), name="tell")
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        say(f"serves on {options.host}:{options.port}, ready {options.startup_s:g} s after it was started")
        await stop.wait()
        say("is to end: finishes what is under way")
    finally:
        telling.cancel()
        await runner.cleanup()
        if log is not None:
            log.close()


def _open_log(options: ShopOptions) -> TextIO | None:
    if options.log is None:
        return None
    options.log.mkdir(parents=True, exist_ok=True)
    path = options.log / f"shop-{options.port}-{os.getpid()}.jsonl"
    return path.open("a", buffering=1, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run one replica."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.demo.shop", description="One replica of the demo's shop."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--slots", type=int, default=SLOTS, help="checkouts at once")
    parser.add_argument("--startup", type=float, default=STARTUP_S, help="seconds until ready")
    parser.add_argument("--slowdown", type=float, default=1.0, help="times as long as usual for a checkout")
    parser.add_argument("--log", type=Path, help="folder for the served log")
    given = parser.parse_args(arguments)
    options = ShopOptions(given.port, given.host, given.slots, given.startup, given.slowdown, given.log)
    try:
        uvloop.run(serve_shop(options))
    except OSError as error:
        parser.exit(1, f"shop: {error}\n")


if __name__ == "__main__":
    main()
