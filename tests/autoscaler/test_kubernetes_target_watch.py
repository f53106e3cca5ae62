"""Readiness is followed by watches: through cuts, expired versions and a server that goes and comes back, without polling."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from autoscaler.errors import TargetError
from autoscaler.instrumentation.events import WatchInterrupted
from autoscaler.targets import kubernetes as kubernetes_targets
from autoscaler.targets.base import TargetState
from autoscaler.targets.kubernetes import PodsWanted
from tests.autoscaler.clusters import Bench, open_bench
from tests.autoscaler.fakes import until
from tests.autoscaler.kubernetes_api.cluster import CUSTOM_KIND, Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real

__all__ = ["kubernetes", "little", "real"]


@asynccontextmanager
async def following(bench: Bench) -> AsyncIterator[list[TargetState]]:
    """Read the target once, and collect what its watch tells from then on."""
    states = [await bench.target.current()]

    async def follow() -> None:
        async for state in bench.target.watch():
            states.append(state)  # noqa: PERF401  # it never ends

    task = asyncio.create_task(follow())
    try:
        yield states
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def deployed(cluster: Cluster, replicas: int = 2) -> None:
    await cluster.deploy("web", replicas)
    await cluster.until_ready("web", replicas)


def ready(states: list[TargetState], count: int) -> Callable[[], bool]:
    return lambda: states[-1].ready == count


def watches(cluster: Cluster) -> int:
    """How many watches were asked for by accounts, not by the stand-in controllers."""
    record = cluster.server.access.record
    return sum(asked.verb == "watch" for user, asked in record if "system:masters" not in user.groups)


def lists(cluster: Cluster, resource: str) -> int:
    record = cluster.server.access.record
    return sum(
        (asked.verb, asked.resource) == ("list", resource)
        for user, asked in record
        if "system:masters" not in user.groups
    )


async def until_watched(cluster: Cluster) -> None:
    """Wait until both watches are open: the deployment's, and the autoscalers'."""
    await until(lambda: watches(cluster) >= 2)


async def test_each_change_of_readiness_is_told(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    async with open_bench(kubernetes, "web") as bench, following(bench) as states:
        await kubernetes.scale("web", 4)
        await until(ready(states, 4))
        assert states[-1].replicas == 4
        await kubernetes.scale("web", 1)
        await until(ready(states, 1))


async def test_a_pod_that_fails_its_probe_is_told_and_leaves_the_endpoints(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web", pods_wanted=PodsWanted()) as bench, following(bench) as states:
        pod, other = await little.pods("web")
        await little.workloads.set_ready(little.namespace, pod["metadata"]["name"], False)
        await until(ready(states, 1))
        await until(lambda: states[-1].endpoints == (f"http://{other['status']['podIP']}:8080",))


async def test_pods_of_a_custom_resource_are_followed(kubernetes: Cluster) -> None:
    await kubernetes.define_shops()
    await kubernetes.open_shop("web", 1)
    await kubernetes.until_ready("web", 1, CUSTOM_KIND)
    async with open_bench(kubernetes, "web", CUSTOM_KIND) as bench, following(bench) as states:
        await kubernetes.scale("web", 3, CUSTOM_KIND)
        await until(ready(states, 3))


async def test_nothing_is_polled(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench, following(bench) as states:
        for count in (3, 4, 5):
            await little.scale("web", count)
            await until(ready(states, count))
        await until_watched(little)
        assert (watches(little), lists(little, "deployments")) == (
            2,
            1,
        )  # the deployment's, and the autoscalers'


async def test_a_cut_watch_goes_on_from_where_it_was(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench, following(bench) as states:
        await until_watched(little)
        little.server.cut_watches()
        await little.scale("web", 3)
        await until(ready(states, 3))
        assert lists(little, "deployments") == 1
        interrupted = bench.recorder.of(WatchInterrupted)
        assert interrupted
        assert not any(event.relist for event in interrupted)


async def test_an_expired_version_means_a_new_list(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench, following(bench) as states:
        await until_watched(little)
        gone = little.server.faults.order(Fault(Kind.CUT, times=None, verb="watch", resource="deployments"))
        little.server.cut_watches()
        await until(lambda: gone.met > 0)
        await little.scale("web", 3)
        await little.until_ready("web", 3)
        little.server.storage.compact()
        little.server.faults.clear()
        await until(ready(states, 3))
        assert lists(little, "deployments") == 2
        assert any(event.relist for event in bench.recorder.of(WatchInterrupted))


async def test_bookmarks_keep_a_quiet_watch_from_expiring(little: Cluster) -> None:
    await deployed(little)
    little.server.bookmark_every_s = 0.05
    async with open_bench(little, "web") as bench, following(bench) as states:
        await little.deploy("other", 5)
        await little.until_ready("other", 5)
        version = little.server.storage.revision
        copy = bench.target._object
        assert copy is not None
        await until(lambda: int(copy.version) >= version)
        little.server.storage.compact()
        little.server.cut_watches()
        await little.scale("web", 3)
        await until(ready(states, 3))
        assert lists(little, "deployments") == 1


async def test_a_server_that_was_away_is_followed_again(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench, following(bench) as states:
        await little.server.stop()
        await until(lambda: len(bench.recorder.of(WatchInterrupted)) >= 2)
        assert states[-1].ready == 2
        await little.server.start()
        await little.scale("web", 5)
        await until(ready(states, 5))


async def test_a_watch_that_tells_nothing_is_replaced_when_a_reading_knows_better(
    little: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_targets, "STALE_S", 0.2)
    await deployed(little)
    async with open_bench(little, "web") as bench, following(bench) as states:
        copy = bench.target._object
        assert copy is not None
        # A connection on which nothing comes any more looks like an object that does not change.
        copy._apply = lambda kind, item: None  # type: ignore[method-assign]
        await little.scale("web", 3)
        await little.until_ready("web", 3)
        bench.target._must_ask = True  # as after a refused write
        while states[-1].ready != 3:
            await bench.target.current()
            await asyncio.sleep(0.05)
        assert "the watch fell behind" in {event.error for event in bench.recorder.of(WatchInterrupted)}


async def test_a_stopped_target_leaves_no_watch(little: Cluster) -> None:
    await deployed(little)
    little.server.bookmark_every_s = 0.05  # a server notices that a client has gone when it writes to it
    before = little.server.watchers
    async with open_bench(little, "web", pods_wanted=PodsWanted()) as bench:
        await bench.target.current()
        await until(lambda: little.server.watchers == before + 3)
    await until(lambda: little.server.watchers == before)


@pytest.mark.parametrize("code", [403, 500])
async def test_where_a_watch_is_refused_readiness_follows_by_lists(little: Cluster, code: int) -> None:
    await deployed(little, 4)
    little.server.faults.order(Fault(Kind.ERROR, times=None, verb="watch", resource="deployments", code=code))
    async with open_bench(little, "web") as bench, following(bench) as states:
        for pod in (await little.pods("web"))[:3]:
            await little.workloads.set_ready(little.namespace, pod["metadata"]["name"], False)
        await until(ready(states, 1))
        waits_s = [
            event.retry_in_s
            for event in bench.recorder.of(WatchInterrupted)
            if event.what == bench.target._object.scope.what  # type: ignore[union-attr]
        ]
        assert all(later > 0.9 * before for before, later in itertools.pairwise(waits_s))


async def test_a_pods_watch_that_tells_nothing_is_replaced(
    little: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_targets, "SILENCE_S", 0.2)
    await deployed(little)
    async with open_bench(little, "web", pods_wanted=PodsWanted()) as bench, following(bench) as states:
        copy = bench.target._pods
        assert copy is not None
        # As on a connection whose other end is gone.
        copy._apply = lambda kind, item: None  # type: ignore[method-assign]
        pod = (await little.pods("web"))[0]
        await little.workloads.set_ready(little.namespace, pod["metadata"]["name"], False)
        while states[-1].ready != 1:
            await bench.target.current()
            await asyncio.sleep(0.05)


async def test_what_was_heard_too_long_ago_tells_nothing_about_now(
    little: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        await bench.target.current()
        for verb in ("list", "watch"):
            little.server.faults.order(Fault(Kind.ERROR, times=None, verb=verb, resource="deployments"))
        little.server.cut_watches()
        monkeypatch.setattr(kubernetes_targets, "LOST_S", 0.0)
        with pytest.raises(
            TargetError, match=r"cannot be told \(no list or watch was answered for 0 s\) how many"
        ):
            await bench.target.current()
