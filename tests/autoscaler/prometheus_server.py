"""A real Prometheus for tests, which scrapes real exporters on the loopback address."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from autoscaler.targets import launcher
from tests.autoscaler.fakes import until
from tests.ports import free_ports
from tests.tools import need

START_WITHIN_S = 60.0
SCRAPE_INTERVAL = "500ms"


class Prometheus:
    """One server with its data in `folder`; `targets` are HOST:PORT of exporters."""

    def __init__(
        self, folder: Path, targets: Iterable[str] = (), *, options: Sequence[str] = (), scheme: str = "http"
    ) -> None:
        self._binary = need("prometheus")
        self.folder = folder
        self._options = options
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"{scheme}://127.0.0.1:{self._port}"
        folder.mkdir(parents=True, exist_ok=True)
        self.scrape(targets)

    def scrape(self, targets: Iterable[str]) -> None:
        """Say what is scraped, from the next start on."""
        listed = ", ".join(f"'{target}'" for target in targets)
        (self.folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {SCRAPE_INTERVAL}, scrape_timeout: {SCRAPE_INTERVAL}}}\n"
            "scrape_configs:\n"
            f"  - {{job_name: shop, static_configs: [{{targets: [{listed}]}}]}}\n"
        )

    def start(self) -> None:
        """Start it and wait until it listens; by way of the launcher, so that it dies with these tests.

        It begins to scrape five seconds later: so long it collects targets before it takes them up.
        """
        bound_to_us = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
        command = [
            self._binary,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--storage.tsdb.retention.time=3650d",
            *self._options,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*bound_to_us, *command], stdout=log, stderr=log)
        ends_s = time.monotonic() + START_WITHIN_S
        while not self._is_ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < ends_s, "prometheus was not ready in time"
            time.sleep(0.02)

    def remember(self, metric: str, points: Iterable[tuple[float, float]], labels: str = "") -> None:
        """Give a server that doesn't run a past: unix seconds and values of one series."""
        lines = [
            f"# TYPE {metric} gauge",
            *(f"{metric}{labels} {value!r} {at_s!r}" for at_s, value in points),
            "# EOF",
        ]
        file = self.folder / f"{metric}.om"
        file.write_text("\n".join(lines) + "\n")
        command = [
            need("promtool"),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(file),
            str(self.folder / "data"),
        ]
        subprocess.run(command, check=True, capture_output=True)

    def stop(self) -> None:
        """End it in order; its data stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def number(self, promql: str) -> float | None:
        """Ask in the plainest way, without any of our code; None for an empty answer."""
        asked = f"{self.url}/api/v1/query?{urlencode({'query': promql})}"
        with urllib.request.urlopen(asked) as answer:  # noqa: S310  # http, on the loopback address
            result: Any = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def _is_ready(self) -> bool:
        try:
            asked = f"{self.url.replace('https', 'http')}/-/ready"
            with urllib.request.urlopen(asked, timeout=5):  # noqa: S310  # http, on the loopback address
                return True
        except urllib.error.HTTPError as error:
            return error.code in (400, 401)  # it speaks TLS, or wants a password: it listens
        except OSError:
            return False


@contextmanager
def running_prometheus(folder: Path, *targets: str, **options: Any) -> Iterator[Prometheus]:
    """Run a Prometheus for the time of the context."""
    server = Prometheus(folder, targets, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Exporter:
    """An exporter in a thread of its own; `page` replaces what its registry shows, `gone` makes it answer 503."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.page: Callable[[], str] | None = None
        self.gone = False
        self.address = ""
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def start(self) -> None:
        self._thread.start()
        assert self._listening.wait(START_WITHIN_S), "the exporter did not start in time"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/metrics", self._show)
        server = TestServer(app)
        self._loop.run_until_complete(server.start_server())
        self.address = f"127.0.0.1:{server.port}"
        self._listening.set()
        self._loop.run_forever()
        self._loop.run_until_complete(server.close())
        self._loop.close()

    async def _show(self, request: web.Request) -> web.Response:
        if self.gone:
            return web.Response(status=503)
        if self.page is not None:
            return web.Response(text=self.page())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self.registry), headers={"Content-Type": content_type})


async def until_scraped(
    prometheus: Prometheus, promql: str, wanted: Callable[[float | None], bool], deadline_s: float = 60.0
) -> None:
    """Wait until a query gives what is wanted."""
    await until(lambda: wanted(prometheus.number(promql)), deadline_s)
