"""Two real scalers for one Deployment, the lease in Kubernetes: one acts at a time, whatever becomes of it. P10."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from ruamel.yaml import YAML

from autoscaler.kubernetes.fencing import TERM_ANNOTATION
from autoscaler.store.connection import open_client
from rulebook.coupling import targets_key
from tests.autoscaler.fakes import until
from tests.autoscaler.kubernetes_api.cluster import EVERYTHING, Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import little
from tests.autoscaler.metrics_server import MetricsReplica, serve_replicas
from tests.segments import TargetSegment
from tests.stores import Valkey
from tests.system.scalers import ROOT, ScalerProcess, holder, identity, leads

__all__ = ["little"]

pytestmark = pytest.mark.slow

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, name: web}
  replicas: {min: 1, max: 50}
  interval: 500ms
  signals:
    - name: busy
      exposition: {gauge: busy, urls: ["%s/metrics"]}
      perReplica: 1
  behavior:
    scaleUp: {policies: [{type: Pods, value: 50, periodSeconds: 1}]}
    scaleDown: {stabilizationWindowSeconds: 0}
  admission: {onsale: cactus, perReadyReplica: 5/s}
"""


class Pair:
    """The cluster, what its Deployment is said to do, and two scalers for it, each with an account of its own."""

    def __init__(self, cluster: Cluster, folder: Path, store: str, load: MetricsReplica) -> None:
        self.cluster = cluster
        self._folder = folder
        self._store = store
        self._load = load
        self.one: ScalerProcess
        self.other: ScalerProcess

    def busy(self, replicas: int) -> None:
        """Let there be as much to do as so many replicas can."""
        self._load.text = f"# TYPE busy gauge\nbusy {replicas}\n"

    async def start(
        self, name: str, *, lease_s: float, rights: Sequence[dict[str, Any]] = EVERYTHING
    ) -> ScalerProcess:
        config = self.cluster.kubeconfig(await self.cluster.account(name, rights), f"{name}.conf")
        return ScalerProcess(
            name, self._folder, "--rules", str(self._folder / "rule.yaml"), "--store", self._store,
            "--kubeconfig", str(config), "--leader", "kubernetes", "--lease-name", "scaler", "--lease-duration", str(lease_s),
        )  # fmt: skip

    async def start_both(self, *, lease_s: float = 10.0) -> None:
        """Start one, and once it leads the other."""
        self.one = await self.start("one", lease_s=lease_s)
        await self.one.until_leading()
        self.other = await self.start("other", lease_s=lease_s)
        await self.other.until_standing_by()

    async def until_wanted(self, replicas: int) -> None:
        await self.cluster.eventually(lambda: self.cluster.replicas("web"), lambda count: count == replicas)

    def writers(self) -> list[str]:
        """Return who wrote counts that took effect, in order, each run of one writer once."""
        found: list[str] = []
        for answered in self.cluster.server.answered:
            asked = answered.asked
            if (asked.verb, asked.subresource, answered.code) == ("update", "scale", 200):
                name = answered.user.rpartition(":")[2]
                if found[-1:] != [name]:
                    found.append(name)
        return found

    def refusals(self, name: str) -> list[int]:
        """Return the codes with which counts written by a scaler were refused."""
        return [
            answered.code
            for answered in self.cluster.server.answered
            if answered.asked.subresource == "scale"
            and answered.asked.verb == "update"
            and answered.user.endswith(f":{name}")
            and answered.code != 200
        ]


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
async def pair(little: Cluster, tmp_path: Path, store: Valkey) -> AsyncIterator[Pair]:
    load = MetricsReplica()
    async with AsyncExitStack() as stack:
        (url,) = await stack.enter_async_context(serve_replicas(load))
        (tmp_path / "rule.yaml").write_text(RULE % url)
        pair = Pair(little, tmp_path, store.url, load)
        pair.busy(2)
        await little.deploy("web", 2)
        await little.until_ready("web", 2)
        try:
            yield pair
        finally:
            for scaler in (getattr(pair, name, None) for name in ("one", "other")):
                if scaler is not None:
                    scaler.end()


async def test_when_the_leader_is_killed_the_other_takes_over(pair: Pair) -> None:
    await pair.start_both()
    pair.busy(5)
    await pair.until_wanted(5)
    pair.one.kill()
    pair.busy(8)
    await pair.other.until_leading()
    await pair.until_wanted(8)
    assert pair.writers() == ["one", "other"]
    lease = await pair.cluster.lease("scaler")
    assert lease["leaseTransitions"] == 1
    annotations = (await pair.cluster.get("web"))["metadata"]["annotations"]
    assert annotations[TERM_ANNOTATION] == "1"


async def test_a_leader_that_was_frozen_and_thaws_writes_nothing(pair: Pair, client: Redis) -> None:
    await pair.start_both()
    pair.busy(5)
    await pair.until_wanted(5)
    pair.one.freeze()
    await pair.other.until_leading()
    pair.busy(8)
    await pair.until_wanted(8)
    pair.one.thaw()
    status = await pair.one.until_standing_by()
    assert holder(status) == identity(await pair.other.until_leading())
    assert pair.writers() == ["one", "other"]
    newest = TargetSegment.from_json(await client.lindex(targets_key("cactus"), -1))
    assert newest.term == 1
    # It is as good a successor as any now.
    pair.other.kill()
    await pair.one.until_leading()
    pair.busy(4)
    await pair.until_wanted(4)
    assert pair.writers() == ["one", "other", "one"]


async def test_a_write_on_its_way_when_its_leader_froze_does_not_take_effect(pair: Pair) -> None:
    await pair.start_both()
    held = pair.cluster.server.faults.order(Fault(Kind.HELD, times=2, verb="update", subresource="scale"))
    pair.busy(5)
    await until(lambda: held.met == 1, deadline_s=60)
    pair.one.freeze()
    # The other takes over, and its first count waits behind the one that is held: only the fence stands between them.
    await until(lambda: held.met == 2, deadline_s=60)
    held.released.set()
    await until(lambda: pair.refusals("one") == [409], deadline_s=60)
    pair.one.thaw()
    await pair.one.until_standing_by()
    await pair.until_wanted(5)
    assert pair.writers() == ["other"]
    assert pair.refusals("other") == []


async def test_a_leader_that_is_stopped_hands_over_long_before_its_lease_ends(pair: Pair) -> None:
    await pair.start_both(lease_s=3600)
    assert await pair.one.stop() == 0
    await pair.other.until_leading()
    pair.busy(6)
    await pair.until_wanted(6)


async def test_without_an_api_server_nobody_leads_and_both_go_on(pair: Pair) -> None:
    await pair.start_both()
    pair.busy(4)
    await pair.until_wanted(4)
    await pair.cluster.server.stop()
    for scaler in (pair.one, pair.other):
        await scaler.until(lambda status: not leads(status))
    pair.busy(7)
    rounds = (await pair.one.until(lambda status: status["rules"]))["rules"]["web"]["rounds"]
    await pair.one.until(lambda status: status["rules"]["web"]["rounds"] > rounds + 3)
    await pair.cluster.server.start()
    await pair.until_wanted(7)
    statuses = [
        await scaler.until(lambda status: status["leadership"]["holder"]) for scaler in (pair.one, pair.other)
    ]
    assert [leads(status) for status in statuses].count(True) == 1


async def test_a_lease_that_somebody_deletes_costs_nothing(pair: Pair) -> None:
    await pair.start_both()
    namespace = pair.cluster.namespace
    await pair.cluster.admin.delete(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/scaler")
    pair.busy(6)
    await pair.until_wanted(6)
    pair.busy(9)
    await pair.until_wanted(9)


def written_rights() -> list[dict[str, Any]]:
    """Return all PolicyRules that the how-tos of the scaler in Kubernetes ask for."""
    found: list[dict[str, Any]] = []
    for page in ("kubernetes.md", "several-scalers.md"):
        text = (ROOT / "docs" / "how-to" / page).read_text()
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            if "apiGroups" in block:
                read = YAML(typ="safe").load(block)
                found += read["rules"] if isinstance(read, dict) else read
    return found


async def test_the_rights_that_are_written_down_suffice(pair: Pair) -> None:
    rights = written_rights()
    assert len(rights) >= 7
    pair.one = await pair.start("one", lease_s=10, rights=rights)
    await pair.one.until_leading()
    pair.busy(5)
    await pair.until_wanted(5)
    await pair.cluster.until_ready("web", 5)
    await pair.cluster.eventually(
        lambda: pair.cluster.events("web"),
        lambda events: "SuccessfulRescale" in [event["reason"] for event in events],
    )
    assert await pair.one.stop() == 0
    refused = [answered.asked.right for answered in pair.cluster.server.answered if answered.code == 403]
    assert refused == []
