"""A stage on which things go wrong: a shop in a little cluster, a store of its own, a load that a test sets, and real scaler
processes by `tidegate scaler run`, which a test kills. Every count that the shop ever had is on record.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from autoscaler.keeping.keeper import MemoryKey
from autoscaler.store.connection import open_client
from autoscaler.store.memories import StoreMemories
from rulebook.kept import Kept, write_kept
from rulebook.memory import Memory
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.metrics_server import MetricsReplica, serve_replicas
from tests.ports import free_ports
from tests.stores import TcpValkey

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0
KEY = MemoryKey("web", ("apps", "Deployment", "shop", "web"))
RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
  replicas: {min: 1, max: 20}
  interval: 500ms
  signals:
    - {name: load, exposition: {gauge: load, urls: ["%(page)s/metrics"]}, perReplica: 10}
  behavior:
    scaleUp: {policies: [{type: Pods, value: 20, periodSeconds: 1}]}
    scaleDown:
      stabilizationWindowSeconds: %(window)d
      policies: [{type: Pods, value: 1, periodSeconds: 1800}]
"""


class Stage:
    """What a test acts on. The shop is the Deployment `web`; each of its replicas takes a load of 10."""

    def __init__(self, folder: Path, cluster: Cluster, store: TcpValkey, page: MetricsReplica) -> None:
        self.folder = folder
        self.cluster = cluster
        self.store = store
        self.counts: list[int] = []
        self.processes: dict[int, asyncio.subprocess.Process] = {}
        self.port = free_ports(1)[0]
        self._page = page
        self._kubeconfig = folder / "none"
        (folder / "rules").mkdir()

    @property
    def store_url(self) -> str:
        return f"redis://{self.store.address}/0"

    def load(self, replicas: int) -> None:
        """Let there be as much to do as so many replicas take."""
        self._page.text = f"load {replicas * 10}\n"

    def write_rule(self, *, window_s: int) -> None:
        text = RULE % {"page": self._page.url, "window": window_s}
        (self.folder / "rules" / "rule.yaml").write_text(text)

    async def start(self, *options: str) -> None:
        """Run a scaler."""
        if not self._kubeconfig.exists():
            self._kubeconfig = self.cluster.kubeconfig(await self.cluster.admin_token())
        self.processes[self.port] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidegate", "scaler", "run", "--rules", str(self.folder / "rules")),
            *("--store", self.store_url, "--kubeconfig", str(self._kubeconfig)),
            *("--listen", f"127.0.0.1:{self.port}", "--logs", str(self.folder / "logs"), *options),
            cwd=ROOT,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def start_another(self, *options: str) -> None:
        """Run one more scaler; from now on that is the one whom a test asks and kills."""
        self.port = free_ports(1)[0]
        await self.start(*options)

    async def kill(self, port: int | None = None) -> None:
        """kill -9."""
        process = self.processes.pop(port or self.port)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()

    async def status(self) -> dict[str, Any] | None:
        """What /status says of the rule now."""
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{self.port}/status") as answer,
            ):
                rule: dict[str, Any] | None = (await answer.json())["rules"].get("web")
                return rule
        except (aiohttp.ClientError, OSError):
            return None

    async def told(self) -> str:
        """What `tidegate scaler status` prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidegate", "scaler", "status", "--url", f"http://127.0.0.1:{self.port}"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return output.decode()

    async def status_when(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until /status is as wished."""

        async def ask() -> dict[str, Any] | None:
            rule = await self.status()
            return rule if rule is not None and condition(rule) else None

        return await wait_for(ask)

    async def rounds(self, count: int) -> dict[str, Any]:
        """Let so many more rounds pass; gives the status after them."""
        before = (await self.status_when(lambda rule: True))["rounds"]
        return await self.status_when(lambda rule: rule["rounds"] >= before + count)

    async def replicas(self) -> int:
        return await self.cluster.replicas("web")

    async def remember(self, memory: Memory, replicas: int) -> None:
        """Put into the store what an earlier process remembers a moment ago."""
        client = open_client(self.store_url)
        try:
            text = write_kept(Kept(KEY.target, replicas, time.time(), memory))
            await StoreMemories(client).save({KEY: text}, term=0)
        finally:
            await client.aclose()

    async def remembered(self) -> dict[str, Any] | None:
        """What is in the store now."""
        client = open_client(self.store_url)
        try:
            found = await StoreMemories(client).load(KEY)
        finally:
            await client.aclose()
        return None if found is None else json.loads(found.text)

    async def watch_counts(self) -> None:
        """Keep on record every count that the shop has."""
        path = self.cluster.path("Deployment", "web")
        while True:
            count = (await self.cluster.admin.get(path))["spec"]["replicas"]
            if not self.counts or self.counts[-1] != count:
                self.counts.append(count)
            await asyncio.sleep(0.02)


async def wait_for(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something is there."""
    async with asyncio.timeout(WITHIN_S):
        while not (found := await ask()):
            await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def open_stage(folder: Path, cluster: Cluster, *, replicas: int) -> AsyncIterator[Stage]:
    """Set the stage: a shop with so many replicas, a running store, and no scaler yet."""
    page = MetricsReplica()
    with tempfile.TemporaryDirectory(prefix="tidegate-") as store_folder:
        store = TcpValkey(Path(store_folder) / "store", *free_ports(1))
        store.start()
        try:
            async with serve_replicas(page):
                await cluster.deploy("web", replicas)
                stage = Stage(folder, cluster, store, page)
                watching = asyncio.create_task(stage.watch_counts())
                try:
                    yield stage
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
                    for port in list(stage.processes):
                        await stage.kill(port)
        finally:
            store.stop()
