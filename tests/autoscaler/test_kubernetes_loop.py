"""A rule's loop over a cluster: scaling up and down, the admission target behind readiness, and others who scale too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from autoscaler.clock import SystemClock
from autoscaler.instrumentation.events import ManualScale
from autoscaler.loop import RuleLoop
from autoscaler.sources.exposition import ExpositionSource
from autoscaler.targets.kubernetes import PodsWanted
from rulebook.observation import Missing
from tests.autoscaler.clusters import Bench, open_bench, rule_for
from tests.autoscaler.fakes import make_loop, until
from tests.autoscaler.kubernetes_api.cluster import CUSTOM_KIND, Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real

__all__ = ["kubernetes", "little", "real"]

ADMISSION = {"onsale": "cactus", "perReadyReplica": 5.0, "sessionsPerReadyReplica": 300}


async def deployed(cluster: Cluster, replicas: int = 2, kind: str = "Deployment") -> None:
    if kind == CUSTOM_KIND:
        await cluster.define_shops()
        await cluster.open_shop("web", replicas)
    else:
        await cluster.deploy("web", replicas, kind)
    await cluster.until_ready("web", replicas, kind)


def requests(cluster: Cluster, verb: str = "") -> int:
    """How many requests of accounts the server has seen, those of the stand-in controllers left out."""
    ours = [asked for user, asked in cluster.server.access.record if "system:masters" not in user.groups]
    return sum(asked.verb == verb or not verb for asked in ours)


@asynccontextmanager
async def following(loop: RuleLoop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet", CUSTOM_KIND])
async def test_replicas_follow_the_signal_up_and_down(kubernetes: Cluster, kind: str) -> None:
    await deployed(kubernetes, kind=kind)
    async with open_bench(kubernetes, "web", kind) as bench:
        loop = bench.loop(rule_for(kubernetes, "web", kind))
        for load, count in ((60, 6), (100, 10), (30, 3)):
            bench.load(load)
            await bench.evaluate(loop)
            assert await kubernetes.replicas("web", kind) == count
            await kubernetes.until_ready("web", count, kind)
        assert loop.status.failures == ()
        assert bench.recorder.of(ManualScale) == []


async def test_a_change_of_readiness_rewrites_the_admission_target_at_once(little: Cluster) -> None:
    await deployed(little, 4)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web", admission=ADMISSION))
        bench.load(40)
        async with following(loop):
            await loop.evaluate()
            assert bench.writer.targets[-1].rate_per_s == 20
            pod = (await little.pods("web"))[0]["metadata"]["name"]
            await little.workloads.set_ready(little.namespace, pod, False)
            await until(lambda: bench.writer.targets[-1].rate_per_s == 15)
            await little.workloads.set_ready(little.namespace, pod, True)
            await until(lambda: bench.writer.targets[-1].rate_per_s == 20)
            assert loop.status.rounds == 1


async def test_rounds_without_a_change_ask_the_server_nothing(little: Cluster) -> None:
    await deployed(little, 4)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(40)
        await bench.evaluate(loop)
        await until(lambda: requests(little, "watch") == 2)
        before = requests(little)
        for _ in range(20):
            await bench.evaluate(loop)
        assert requests(little) == before
        bench.load(60)
        await bench.evaluate(loop)
        assert await little.replicas("web") == 6


async def test_missing_data_scales_nothing_down(kubernetes: Cluster) -> None:
    await deployed(kubernetes, 6)
    async with open_bench(kubernetes, "web") as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        bench.source.reading = Missing("no metrics")
        for _ in range(5):
            await bench.evaluate(loop)
        assert await kubernetes.replicas("web") == 6


async def test_a_dry_run_writes_nothing_to_the_cluster(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web", dry_run=True))
        bench.load(90)
        await bench.evaluate(loop)
        assert await little.replicas("web") == 2
        asked = little.server.access.rights(f"system:serviceaccount:{little.namespace}:admin")
        assert {right[0] for right in asked} <= {"get", "list", "watch"}


async def test_a_count_set_by_hand_stays_for_an_interval(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    async with open_bench(kubernetes, "web") as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        bench.load(40)
        await bench.evaluate(loop)
        await kubernetes.scale("web", 7)
        await until_seen(bench, 7)
        await bench.evaluate(loop)
        assert await kubernetes.replicas("web") == 7
        assert [(event.before, event.after) for event in bench.recorder.of(ManualScale)] == [(4, 7)]
        await bench.evaluate(loop)
        assert await kubernetes.replicas("web") == 4


async def until_seen(bench: Bench, replicas: int) -> None:
    """Wait until the watch has told of a count; reading the target does not change what the loop knows of it."""
    async for state in bench.target.watch():
        if state.replicas == replicas:
            return


def autoscaler(cluster: Cluster, kind: str, name: str) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9}
    return {"metadata": {"name": f"hpa-{kind.lower()}-{name}"}, "spec": spec}


async def test_a_horizontal_pod_autoscaler_on_the_same_target_is_an_error(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    hpas = f"/apis/autoscaling/v2/namespaces/{kubernetes.namespace}/horizontalpodautoscalers"
    await kubernetes.admin.create(hpas, autoscaler(kubernetes, "Deployment", "web"))
    async with open_bench(kubernetes, "web") as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        bench.load(60)
        await bench.evaluate(loop)
        (able,) = (one for one in loop.status.conditions if one.type == "AbleToScale")
        assert (able.holds, able.reason) == (False, "AmbiguousTarget")
        assert able.message == (
            f"HorizontalPodAutoscaler hpa-deployment-web scales Deployment {kubernetes.namespace}/web too: "
            "delete it, or run this rule with dryRun"
        )
        assert await kubernetes.replicas("web") == 2
        await kubernetes.admin.delete(f"{hpas}/hpa-deployment-web")
        while await kubernetes.replicas("web") != 6:
            await bench.evaluate(loop)
            await asyncio.sleep(0.02)


async def test_autoscalers_of_other_targets_are_none_of_ours(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    hpas = f"/apis/autoscaling/v2/namespaces/{kubernetes.namespace}/horizontalpodautoscalers"
    for kind, name in (("Deployment", "other"), ("StatefulSet", "web")):
        await kubernetes.admin.create(hpas, autoscaler(kubernetes, kind, name))
    async with open_bench(kubernetes, "web") as bench:
        assert (await bench.target.current()).obstacle == ""


async def test_the_replicas_own_pages_are_read_at_the_pods_addresses(little: Cluster) -> None:
    await deployed(little, 2)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(text="# TYPE busy gauge\nbusy 20\n")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    addresses = [pod["status"]["podIP"] for pod in await little.pods("web")]
    try:
        # Pods of the little cluster have addresses of the loopback net, at which a test can listen.
        first = web.TCPSite(runner, addresses[0], 0)
        await first.start()
        port = runner.addresses[0][1]
        await web.TCPSite(runner, addresses[1], port).start()
        rule = rule_for(little, "web")
        async with (
            open_bench(little, "web", pods_wanted=PodsWanted(port)) as bench,
            aiohttp.ClientSession() as http,
        ):
            source = ExpositionSource(http, SystemClock())
            loop = make_loop(
                rule,
                target=bench.target,
                clock=bench.clock,
                recorder=bench.recorder,
                exposition=source,  # type: ignore[arg-type]
            )
            await loop.evaluate()
            assert await little.replicas("web") == 4  # 2 pods of 20 each, at 10 a replica
    finally:
        await runner.cleanup()
