"""Two real scalers on one host, the lease in the store: one runs the pool, and the store's absence ends nothing. P10."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from autoscaler.store.connection import open_client
from rulebook.coupling import targets_key
from tests.autoscaler.fakes import until
from tests.autoscaler.pools import APP
from tests.ports import free_row
from tests.segments import TargetSegment
from tests.stores import Valkey
from tests.system.scalers import ScalerProcess, leads

pytestmark = pytest.mark.slow

RULES = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: shop}
  replicas: {min: 2, max: 2}
  interval: 500ms
  signals:
    - name: busy
      exposition: {gauge: busy, aggregate: max}
      perReplica: 20
  admission: {onsale: cactus, perReadyReplica: 5/s}
---
apiVersion: tidegate.dev/v1
kind: ProcessPool
metadata: {name: shop}
spec:
  command: ["{python}", "%(app)s", "--port", "{port}"]
  ports: {from: %(first)d, to: %(last)d}
  ready: {every: 100ms, timeout: 30s}
  endpoints: %(folder)s/endpoints
"""
PORTS = 6


class Host:
    """A host with two scalers that share rules, a pool's ports and its endpoints file."""

    def __init__(self, folder: Path, store: Valkey) -> None:
        self.store = store
        self._folder = folder
        self._scalers: list[ScalerProcess] = []
        first = free_row(PORTS)
        values = {"app": APP, "first": first, "last": first + PORTS - 1, "folder": folder}
        (folder / "rules.yaml").write_text(RULES % values)

    def start(self, name: str, *, lease_s: float) -> ScalerProcess:
        arguments = ("--rules", str(self._folder / "rules.yaml"), "--store", self.store.url)
        scaler = ScalerProcess(
            name, self._folder, *arguments, "--leader", "store", "--lease-duration", str(lease_s)
        )
        self._scalers.append(scaler)
        return scaler

    async def start_both(self, *, lease_s: float = 10.0) -> tuple[ScalerProcess, ScalerProcess]:
        """Start one, wait until its replicas are ready, and start the other."""
        one = self.start("one", lease_s=lease_s)
        await one.until(lambda status: status["rules"] and status["rules"]["web"]["ready"] == 2)
        other = self.start("other", lease_s=lease_s)
        await other.until_standing_by()
        return one, other

    def endpoints(self) -> list[str]:
        """Return what the gate would read."""
        return (self._folder / "endpoints").read_text().split()

    async def until_served_by_others(self, before: list[int]) -> list[int]:
        """Wait until two replicas are listed which are none of those; returns their process ids."""
        found: list[int] = []
        while len(found) != 2 or set(found) & set(before):
            found = [pid for pid in [await pid_at(url) for url in self.endpoints()] if pid]
        return found

    def end(self) -> None:
        for scaler in self._scalers:
            scaler.end()


async def pid_at(url: str) -> int:
    """Ask a replica which process it is; 0 if none answers."""
    timeout = aiohttp.ClientTimeout(total=30)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{url}/pid") as response:
            return int(await response.text())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return 0


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
def store() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def client(store: Valkey) -> AsyncIterator[Redis]:
    client = open_client(store.url)
    yield client
    await client.aclose()


@pytest.fixture
def host(tmp_path: Path, store: Valkey) -> Iterator[Host]:
    host = Host(tmp_path, store)
    yield host
    host.end()


async def test_when_the_leader_is_killed_the_other_runs_the_pool(host: Host, client: Redis) -> None:
    one, other = await host.start_both()
    before = [await pid_at(url) for url in host.endpoints()]
    one.kill()
    await other.until_leading()
    await host.until_served_by_others(before)
    await until(lambda: not any(is_alive(pid) for pid in before), deadline_s=60)
    await other.until(lambda status: status["rules"]["web"]["admission"]["accepted"])
    newest = TargetSegment.from_json(await client.lindex(targets_key("cactus"), -1))
    assert newest.term == 1


async def test_a_leader_that_thaws_ends_its_pool_and_leaves_the_others_endpoints_alone(host: Host) -> None:
    one, other = await host.start_both()
    before = [await pid_at(url) for url in host.endpoints()]
    one.freeze()
    await other.until_leading()
    after = await host.until_served_by_others(before)
    listed = host.endpoints()
    one.thaw()
    await one.until_standing_by()
    await until(lambda: not any(is_alive(pid) for pid in before), deadline_s=60)
    await one.until(lambda status: status["rules"] == {})
    assert host.endpoints() == listed
    assert [await pid_at(url) for url in listed] == after


async def test_a_leader_that_is_stopped_hands_over_long_before_its_lease_ends(host: Host) -> None:
    one, other = await host.start_both(lease_s=3600)
    before = [await pid_at(url) for url in host.endpoints()]
    assert await one.stop() == 0
    await other.until_leading()
    await host.until_served_by_others(before)


async def test_while_the_store_is_away_replicas_run_on_and_its_loss_of_data_is_survived(host: Host) -> None:
    one, other = await host.start_both()
    before = [await pid_at(url) for url in host.endpoints()]
    host.store.kill()
    rounds = (await one.until(lambda status: not leads(status)))["rules"]["web"]["rounds"]
    await one.until(lambda status: status["rules"]["web"]["rounds"] > rounds + 3)
    assert [await pid_at(url) for url in host.endpoints()] == before
    host.store.start()
    await one.until_leading()
    await one.until(lambda status: status["rules"]["web"]["admission"]["accepted"])
    await other.until_standing_by()
    assert [await pid_at(url) for url in host.endpoints()] == before
