"""The pods of a target in a cluster, as the console sees them: who they are, what they print, and a rollout like kubectl's."""

import asyncio
from contextlib import aclosing
from datetime import datetime
from typing import Any

import pytest

from autoscaler.errors import AutoscalerError, Forbidden, NotLeading, OutcomeUnknown, TargetError
from autoscaler.targets.kubernetes_fleet import RESTARTED_AT, KubernetesFleet
from autoscaler.targets.podviews import main_container, view_pod
from tests.autoscaler.clusters import Bench, open_bench
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real

__all__ = ["kubernetes", "little", "real"]


async def deployed(cluster: Cluster, kind: str = "Deployment") -> None:
    await cluster.deploy("web", 2, kind)
    await cluster.until_ready("web", 2, kind)


async def fleet_of(bench: Bench) -> KubernetesFleet:
    await bench.target.current()
    return KubernetesFleet(bench.target)


async def test_the_pods_of_a_target_are_listed_and_nobody_elses(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    await kubernetes.deploy("other", 1)
    async with open_bench(kubernetes, "web") as bench:
        pods = await (await fleet_of(bench)).pods()
    assert len(pods) == 2
    assert [pod.name.startswith("web-") for pod in pods] == [True, True]
    assert {(pod.state, pod.status, pod.restarts) for pod in pods} == {("ready", "Running", 0)}
    assert all(pod.image and pod.where and pod.since_s for pod in pods)


async def test_a_log_is_shown_from_its_last_lines_and_followed_to_its_end(little: Cluster) -> None:
    await deployed(little)
    logs = little.server.answers.logs
    async with open_bench(little, "web") as bench:
        fleet = await fleet_of(bench)
        name = (await fleet.pods())[0].name
        logs.write(name, b"one\ntwo\nthree\n")
        async with aclosing(fleet.log(name, 2, follow=False)) as lines:
            assert [line async for line in lines] == ["two", "three"]
        async with asyncio.timeout(30), aclosing(fleet.log(name, 1, follow=True)) as lines:
            assert await anext(lines) == "three"
            logs.write(name, b"\x1b[31mfo")
            logs.write(name, b"ur\x1b[0m\nlast, without an end")
            assert await anext(lines) == "four"
            logs.end(name)
            assert [line async for line in lines] == ["last, without an end"]


async def test_of_several_containers_one_is_chosen_and_after_a_restart_what_it_printed_before(
    little: Cluster,
) -> None:
    await little.deploy("web", 1, beside=["proxy"])
    await little.until_ready("web", 1)
    logs = little.server.answers.logs
    async with open_bench(little, "web") as bench:
        fleet = await fleet_of(bench)
        name = (await fleet.pods())[0].name
        assert [each.name for each in (await fleet.pods())[0].containers] == ["app", "proxy"]
        logs.write(name, b"of the app\n")
        logs.write(name, b"of the proxy, which crashes\n", container="proxy")
        logs.restart(name, "proxy")
        logs.write(name, b"again\n", container="proxy")

        async def log(**wanted: Any) -> list[str]:
            async with asyncio.timeout(30), aclosing(fleet.log(name, 10, **wanted)) as lines:
                return [line async for line in lines]

        assert await log(follow=False) == ["of the app"]
        assert await log(follow=False, container="proxy") == ["again"]
        # What has ended is not followed: it comes to its end by itself.
        former = await log(follow=True, container="proxy", previous=True)
        assert former == ["of the proxy, which crashes"]
        with pytest.raises(AutoscalerError, match='previous terminated container "app"'):
            await log(follow=False, previous=True)
        with pytest.raises(TargetError, match="has no container nginx, but app, proxy"):
            await log(follow=False, container="nginx")


async def test_the_log_of_somebody_elses_pod_is_not_shown(little: Cluster) -> None:
    await deployed(little)
    await little.deploy("other", 1)
    await little.until_ready("other", 1)
    other = (await little.pods("other"))[0]["metadata"]["name"]
    async with open_bench(little, "web") as bench:
        fleet = await fleet_of(bench)
        for name in (other, "../web", ""):
            with pytest.raises(TargetError, match="has no pod"):
                await anext(fleet.log(name, 10, follow=False))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_a_restart_is_the_annotation_that_kubectl_sets(kubernetes: Cluster, kind: str) -> None:
    await deployed(kubernetes, kind)
    async with open_bench(kubernetes, "web", kind) as bench:
        await (await fleet_of(bench)).restart()
    template = (await kubernetes.get("web", kind))["spec"]["template"]
    written = template["metadata"]["annotations"][RESTARTED_AT]
    assert datetime.fromisoformat(written).tzinfo is not None
    assert await kubernetes.replicas("web", kind) == 2


async def test_a_restart_whose_answer_is_lost_may_have_begun(little: Cluster) -> None:
    await deployed(little)
    async with open_bench(little, "web") as bench:
        fleet = await fleet_of(bench)
        little.server.faults.order(Fault(Kind.CUT_AFTER, times=None, verb="patch", resource="deployments"))
        with pytest.raises(OutcomeUnknown, match="its pods tell whether they are being replaced"):
            await fleet.restart()
        little.server.faults.clear()
    template = (await little.get("web"))["spec"]["template"]
    assert RESTARTED_AT in template["metadata"]["annotations"]


async def test_what_has_no_rollout_is_not_restarted(kubernetes: Cluster) -> None:
    await deployed(kubernetes, "ReplicaSet")
    async with open_bench(kubernetes, "web", "ReplicaSet") as bench:
        with pytest.raises(TargetError, match="a ReplicaSet has no rollout"):
            await (await fleet_of(bench)).restart()


async def test_a_rollout_that_is_paused_is_not_begun(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    await kubernetes.admin.merge(kubernetes.path("Deployment", "web"), {"spec": {"paused": True}})
    async with open_bench(kubernetes, "web") as bench:
        with pytest.raises(TargetError, match="rollouts are paused"):
            await (await fleet_of(bench)).restart()


async def test_who_does_not_lead_restarts_nothing(kubernetes: Cluster) -> None:
    def check() -> None:
        raise NotLeading("another scaler leads")

    await deployed(kubernetes)
    async with open_bench(kubernetes, "web", check=check) as bench:
        with pytest.raises(NotLeading):
            await (await fleet_of(bench)).restart()
    template = (await kubernetes.get("web"))["spec"]["template"]
    assert RESTARTED_AT not in (template.get("metadata") or {}).get("annotations", {})


RIGHTS: list[dict[str, Any]] = [
    {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "update"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["autoscaling"],
        "resources": ["horizontalpodautoscalers"],
        "verbs": ["list", "watch"],
    },
]
CONSOLE: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get", "patch"]},
]


async def test_the_rights_which_the_guide_names_are_enough_and_needed(little: Cluster) -> None:
    await deployed(little)
    for name, rights, enough in (("scaler", RIGHTS, False), ("console", RIGHTS + CONSOLE, True)):
        await little.account(name, rights)
        async with open_bench(little, "web", token=await little.token(name)) as bench:
            fleet = await fleet_of(bench)
            pod = (await fleet.pods())[0].name
            little.server.answers.logs.write(pod, b"hello\n")
            if enough:
                assert await anext(fleet.log(pod, 1, follow=False)) == "hello"
                await fleet.restart()
            else:
                with pytest.raises(Forbidden):
                    await anext(fleet.log(pod, 1, follow=False))
                with pytest.raises(Forbidden):
                    await fleet.restart()


def pod_of(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-1", **metadata},
        "spec": {"containers": [{"name": "app", "image": "shop:7"}, {"name": "proxy", "image": "envoy"}]},
        "status": status,
    }


READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("pod", "state", "status"),
    [
        (pod_of({"phase": "Running", "conditions": READY}), "ready", "Running"),
        (pod_of({"phase": "Running"}), "starting", "Not ready"),
        (pod_of({"phase": "Pending"}), "starting", "Pending"),
        (pod_of({"phase": "Failed", "reason": "Evicted"}), "failed", "Evicted"),
        (pod_of({"phase": "Running", "conditions": READY}, deletionTimestamp="x"), "ending", "Terminating"),
        (
            pod_of(
                {
                    "phase": "Running",
                    "containerStatuses": [
                        {"restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
                    ],
                }
            ),
            "failed",
            "CrashLoopBackOff",
        ),
        (
            pod_of(
                {
                    "phase": "Pending",
                    "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}],
                }
            ),
            "starting",
            "ContainerCreating",
        ),
        (pod_of({}), "failed", "Unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pod_is_described_as_kubectl_does(pod: dict[str, Any], state: str, status: str) -> None:
    view = view_pod(pod)
    assert (view.state, view.status, view.image) == (state, status, "shop:7")


def test_containers_are_named_with_their_restarts_the_main_one_first() -> None:
    annotations = {"kubectl.kubernetes.io/default-container": "proxy"}
    statuses = [{"name": "app", "restartCount": 2}, {"name": "proxy", "restartCount": 0}]
    pod = pod_of({"containerStatuses": statuses}, annotations=annotations)
    pod["spec"]["initContainers"] = [{"name": "prepare"}]
    found = [(each.name, each.restarts) for each in view_pod(pod).containers]
    assert found == [("proxy", 0), ("app", 2), ("prepare", 0)]


def test_the_log_is_that_of_the_container_which_kubectl_would_take() -> None:
    annotations = {"kubectl.kubernetes.io/default-container": "proxy"}
    assert main_container(pod_of({})) == "app"
    assert main_container(pod_of({}, annotations=annotations)) == "proxy"
    assert (
        main_container(pod_of({}, annotations={"kubectl.kubernetes.io/default-container": "gone"})) == "app"
    )
