"""What goes wrong between a loop and its API server: it goes on, the reason is seen, nothing is scaled down (P10)."""

import asyncio

import pytest

from autoscaler.instrumentation.events import ManualScale, RuleScaled, ScaleConflict
from autoscaler.loop import RuleLoop
from autoscaler.rounds import DECIDE_TRIES
from tests.autoscaler.clusters import Bench, open_bench, rule_for
from tests.autoscaler.fakes import until
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real

__all__ = ["kubernetes", "little", "real"]

GET_SCALE = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]}
FOLLOW = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]}
RIVALS = {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list", "watch"]}
UPDATE_SCALE = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "update"]}


async def deployed(cluster: Cluster, replicas: int = 4) -> None:
    await cluster.deploy("web", replicas)
    await cluster.until_ready("web", replicas)


def able(loop: RuleLoop) -> tuple[bool, str]:
    (found,) = (one for one in loop.status.conditions if one.type == "AbleToScale")
    return found.holds, found.reason


def last_error(loop: RuleLoop) -> str:
    return loop.status.failures[-1].error


async def test_a_count_that_changed_meanwhile_is_decided_on_again(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        little.server.faults.order(Fault(Kind.CHANGED, times=2, verb="update", subresource="scale"))
        await bench.evaluate(loop)
        assert await little.replicas("web") == 6
        assert len(bench.recorder.of(ScaleConflict)) == 2
        assert loop.status.failures == ()


async def test_a_storm_of_conflicts_ends_with_the_storm(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        storm = little.server.faults.order(
            Fault(Kind.CHANGED, times=None, verb="update", subresource="scale")
        )
        for _ in range(3):
            await bench.evaluate(loop)
        assert storm.met == 3 * DECIDE_TRIES
        assert (await little.replicas("web"), able(loop)) == (4, (False, "FailedUpdateScale"))
        little.server.faults.clear()
        await bench.evaluate(loop)
        assert (await little.replicas("web"), able(loop)) == (6, (True, "SucceededRescale"))


async def test_too_many_requests_are_waited_out(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        busy = little.server.faults.order(Fault(Kind.TOO_MANY, times=1, verb="update", seconds=1))
        await bench.evaluate(loop)
        assert busy.met == 1
        assert (await little.replicas("web"), loop.status.failures) == (6, ())


async def test_a_server_that_asks_for_minutes_is_left_alone_for_now(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        busy = little.server.faults.order(Fault(Kind.TOO_MANY, times=None, verb="update", seconds=120))
        for _ in range(3):
            await bench.evaluate(loop)
        assert busy.met == 1, "it said when it wants to hear from us again"
        assert "too many requests: the next may go in" in last_error(loop)
        assert (await little.replicas("web"), able(loop)[0]) == (4, False)


@pytest.mark.parametrize("code", [500, 503])
async def test_errors_of_the_server_cost_a_round(little: Cluster, code: int) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        little.server.faults.order(Fault(Kind.ERROR, verb="update", subresource="scale", code=code))
        await bench.evaluate(loop)
        assert (await little.replicas("web"), able(loop)) == (4, (False, "FailedUpdateScale"))
        await bench.evaluate(loop)
        assert (await little.replicas("web"), able(loop)) == (6, (True, "SucceededRescale"))


@pytest.mark.parametrize("resource", ["deployments", "horizontalpodautoscalers"])
async def test_a_server_which_lists_nothing_at_the_start_is_asked_again(
    little: Cluster, resource: str
) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        broken = little.server.faults.order(Fault(Kind.ERROR, times=2, verb="list", resource=resource))
        while await little.replicas("web") != 6:
            await bench.evaluate(loop)
            await asyncio.sleep(0.05)
        assert broken.met in (1, 2)


async def test_a_slow_server_costs_a_round(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web", interval=3.0))
        bench.load(40)
        await bench.evaluate(loop)
        slow = little.server.faults.order(
            Fault(Kind.SLOW, times=None, verb="update", subresource="scale", seconds=600)
        )
        bench.load(60)
        await bench.evaluate(loop)
        assert slow.met == 1
        assert (last_error(loop), able(loop)) == ("not done within 2.4 s", (False, "FailedUpdateScale"))
        little.server.faults.clear()
        await bench.evaluate(loop)
        assert await little.replicas("web") == 6


async def test_a_frozen_server_costs_no_replica(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web", interval=0.5))
        bench.load(40)
        await bench.evaluate(loop)
        little.server.faults.freeze()
        bench.load(10)
        for _ in range(2):
            await bench.evaluate(loop)
        assert able(loop)[0] is False
        bench.load(50)
        little.server.faults.thaw()
        # What was sent while it was frozen is carried out now, or refused as somebody was faster: then it is decided anew.
        while await little.replicas("web") != 5:
            await bench.evaluate(loop)
            await asyncio.sleep(0.02)


async def test_a_write_without_an_answer_is_known_as_ours(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        # The transport sends a PUT again when a kept connection breaks; the second one meets what the first has done.
        little.server.faults.order(Fault(Kind.CUT_AFTER, times=1, verb="update", subresource="scale"))
        await bench.evaluate(loop)
        assert await little.replicas("web") == 6
        assert bench.recorder.of(ManualScale) == []
        assert [event.after for event in bench.recorder.of(RuleScaled)] == [6]
        assert able(loop)[0]


async def test_a_server_that_is_killed_and_comes_back_costs_no_replica(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(40)
        await bench.evaluate(loop)
        await little.server.stop()
        bench.load(10)
        for _ in range(3):
            await bench.evaluate(loop)
        assert able(loop) == (False, "FailedGetScale")
        assert last_error(loop).startswith("API server")
        bench.load(70)
        await little.server.start()
        await bench.evaluate(loop)
        assert await little.replicas("web") == 7
        assert [(event.before, event.after) for event in bench.recorder.of(RuleScaled)] == [(4, 7)]


async def rights(cluster: Cluster, name: str, *rules: dict[str, object]) -> str:
    return await cluster.account(name, rules)


async def test_a_lack_of_the_right_to_read_is_told_as_the_server_says_it(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    async with open_bench(kubernetes, "web", token=await rights(kubernetes, "nobody")) as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        await bench.evaluate(loop)
        assert able(loop) == (False, "FailedGetScale")
        assert 'cannot list resource "deployments" in API group "apps"' in last_error(loop)


async def test_a_lack_of_the_right_to_write_is_a_condition(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    token = await rights(kubernetes, "reader", GET_SCALE, FOLLOW, RIVALS)
    async with open_bench(kubernetes, "web", token=token) as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        bench.load(60)
        for _ in range(2):
            await bench.evaluate(loop)
        assert (await kubernetes.replicas("web"), able(loop)) == (4, (False, "FailedUpdateScale"))
        assert 'cannot update resource "deployments/scale"' in last_error(loop)


async def test_without_the_right_to_look_for_autoscalers_it_scales_all_the_same(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    token = await rights(kubernetes, "scaler", UPDATE_SCALE, FOLLOW)
    async with open_bench(kubernetes, "web", token=token) as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        bench.load(60)
        await bench.evaluate(loop)
        assert (await kubernetes.replicas("web"), able(loop)) == (6, (True, "SucceededRescale"))


async def test_a_target_that_is_deleted_is_a_condition_and_is_scaled_when_it_is_back(
    kubernetes: Cluster,
) -> None:
    await deployed(kubernetes)
    async with open_bench(kubernetes, "web") as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        await bench.evaluate(loop)
        await kubernetes.admin.delete(kubernetes.path("Deployment", "web"))
        await until(lambda: bench.target.uid == "")
        await bench.evaluate(loop)
        assert able(loop) == (False, "FailedGetScale")
        assert 'deployments.apps "web" not found' in last_error(loop)
        await deployed(kubernetes, 1)
        await until(lambda: bench.target.uid != "")
        bench.load(50)
        for _ in range(2):  # the count it came back with was set by others
            await bench.evaluate(loop)
        assert await kubernetes.replicas("web") == 5


async def test_a_count_the_server_does_not_take_is_a_condition(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    async with open_bench(kubernetes, "web") as bench:
        loop = bench.loop(rule_for(kubernetes, "web"))
        await bench.evaluate(loop)
        await little_refusal(bench, loop)


async def little_refusal(bench: Bench, loop: RuleLoop) -> None:
    """Let the number on its way be one that no server takes."""
    scale = bench.target.scale
    bench.target.scale = lambda replicas, seen: scale(-1, seen)  # type: ignore[method-assign]
    bench.load(70)
    await bench.evaluate(loop)
    assert able(loop) == (False, "FailedUpdateScale")
    assert "must be greater than or equal to 0" in last_error(loop)
    bench.target.scale = scale  # type: ignore[method-assign]
    await bench.evaluate(loop)
    assert able(loop) == (True, "SucceededRescale")


@pytest.mark.parametrize("watched", ["pods", "deployments"])
async def test_refused_watches_do_not_keep_a_deployment_from_being_read(
    little: Cluster, watched: str
) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        loop = bench.loop(rule_for(little, "web"))
        bench.load(60)
        little.server.faults.order(Fault(Kind.ERROR, times=None, verb="watch", resource=watched, code=500))
        await bench.evaluate(loop)
        assert await little.replicas("web") == 6
