"""What the scaler relies on in a Kubernetes API, asked of the little server and, where one is named, of a real one."""

import pytest

from tests.autoscaler.kubernetes_api.client import Client, Refused
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, real
from tests.autoscaler.kubernetes_api.patches import JSON, MERGE, STRATEGIC
from tests.autoscaler.kubernetes_api.statuses import OPTIMISTIC_LOCK, Json

__all__ = ["kubernetes", "real"]

KINDS = ("Deployment", "StatefulSet", "ReplicaSet", "Shop")


async def a_workload(cluster: Cluster, kind: str, replicas: int) -> str:
    """Create a workload called `web`; returns the path of its scale."""
    if kind == "Shop":
        await cluster.define_shops()
        await cluster.open_shop("web", replicas)
    else:
        await cluster.deploy("web", replicas, kind)
    return cluster.path(kind, "web", "scale")


async def refused(
    client: Client, method: str, path: str, body: Json | None = None, kind: str = MERGE
) -> Json:
    """Ask for what is refused; returns the Status."""
    reply = await client.ask(method, path, body, kind=kind if method == "PATCH" else "application/json")
    assert reply.code >= 400
    assert reply.body["code"] == reply.code
    assert (reply.body["kind"], reply.body["status"]) == ("Status", "Failure")
    return reply.body


@pytest.mark.parametrize("kind", KINDS)
async def test_what_has_replicas_is_scaled_by_its_scale(kubernetes: Cluster, kind: str) -> None:
    if kind == "Shop" and kubernetes.runs_pods_itself:
        pytest.skip("this cluster has no controller of shops")
    path = await a_workload(kubernetes, kind, 2)
    await kubernetes.until_ready("web", 2, kind)
    scale = await kubernetes.admin.get(path)
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 2, "selector": "app=web"})
    scale["spec"]["replicas"] = 3
    written = await kubernetes.admin.replace(path, scale)
    assert written["spec"] == {"replicas": 3}
    assert written["metadata"]["uid"] == scale["metadata"]["uid"]
    assert written["metadata"]["resourceVersion"] != scale["metadata"]["resourceVersion"]
    await kubernetes.until_ready("web", 3, kind)
    assert len(await kubernetes.pods("web")) == 3


@pytest.mark.parametrize("kind", KINDS)
async def test_a_scale_decided_on_an_old_version_is_a_conflict(kubernetes: Cluster, kind: str) -> None:
    path = await a_workload(kubernetes, kind, 2)
    old = await kubernetes.admin.get(path)
    await kubernetes.admin.merge(kubernetes.path(kind, "web"), {"metadata": {"annotations": {"a": "b"}}})
    old["spec"]["replicas"] = 9
    status = await refused(kubernetes.admin, "PUT", path, old)
    group, plural = kubernetes.path(kind).split("/")[2], kubernetes.path(kind).split("/")[-1]
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["details"] == {"name": "web", "group": group, "kind": plural}
    assert status["message"] == f'Operation cannot be fulfilled on {plural}.{group} "web": {OPTIMISTIC_LOCK}'
    assert await kubernetes.replicas("web", kind) == 2


async def test_no_replicas_are_left_out_of_the_scale(kubernetes: Cluster) -> None:
    path = await a_workload(kubernetes, "Deployment", 0)
    assert (await kubernetes.admin.get(path))["spec"] == {}
    assert "readyReplicas" not in (await kubernetes.get("web")).get("status", {})


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (MERGE, {"spec": {"replicas": 4}}),
        (STRATEGIC, {"spec": {"replicas": 4}}),
        (JSON, [{"op": "replace", "path": "/spec/replicas", "value": 4}]),
    ],
    ids=["merge", "strategic", "json"],
)
async def test_a_scale_is_patched(kubernetes: Cluster, kind: str, patch: Json) -> None:
    path = await a_workload(kubernetes, "Deployment", 2)
    reply = await kubernetes.admin.ask("PATCH", path, patch, kind=kind)
    assert (reply.code, reply.body["spec"]) == (200, {"replicas": 4})


async def test_a_patch_that_names_an_old_version_is_a_conflict(kubernetes: Cluster) -> None:
    path = await a_workload(kubernetes, "Deployment", 2)
    old = (await kubernetes.admin.get(path))["metadata"]["resourceVersion"]
    await kubernetes.scale("web", 3)
    status = await refused(
        kubernetes.admin, "PATCH", path, {"metadata": {"resourceVersion": old}, "spec": {"replicas": 4}}
    )
    assert status["reason"] == "Conflict"


async def test_a_scale_below_nothing_is_invalid(kubernetes: Cluster) -> None:
    path = await a_workload(kubernetes, "Deployment", 2)
    status = await refused(kubernetes.admin, "PATCH", path, {"spec": {"replicas": -1}})
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: -1: must be greater than or equal to 0",
            "field": "spec.replicas",
        }
    ]


async def test_replicas_that_are_no_number_are_a_bad_request(kubernetes: Cluster) -> None:
    await a_workload(kubernetes, "Deployment", 2)
    body = await kubernetes.get("web")
    body["spec"]["replicas"] = "three"
    status = await refused(kubernetes.admin, "PUT", kubernetes.path("Deployment", "web"), body)
    assert (status["code"], status["reason"]) == (400, "BadRequest")


async def test_what_is_not_there_is_not_found(kubernetes: Cluster) -> None:
    status = await refused(kubernetes.admin, "GET", kubernetes.path("Deployment", "web", "scale"))
    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert status["message"] == 'deployments.apps "web" not found'
    assert status["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


async def test_a_dry_run_changes_nothing(kubernetes: Cluster) -> None:
    path = await a_workload(kubernetes, "Deployment", 2)
    reply = await kubernetes.admin.ask(
        "PATCH", path, {"spec": {"replicas": 4}}, query={"dryRun": "All"}, kind=MERGE
    )
    assert (reply.code, reply.body["spec"]) == (200, {"replicas": 4})
    assert await kubernetes.replicas("web") == 2


async def test_a_write_that_says_the_same_makes_no_new_version(kubernetes: Cluster) -> None:
    path = await a_workload(kubernetes, "Deployment", 0)
    before = (await kubernetes.admin.get(path))["metadata"]["resourceVersion"]
    await kubernetes.scale("web", 0)
    await kubernetes.eventually(
        lambda: kubernetes.get("web"), lambda web: web["status"].get("observedGeneration") == 1
    )
    settled = (await kubernetes.admin.get(path))["metadata"]["resourceVersion"]
    assert int(settled) >= int(before)
    again = await kubernetes.admin.merge(path, {"spec": {"replicas": 0}})
    assert again["metadata"]["resourceVersion"] == settled


async def test_only_a_change_of_the_spec_is_a_new_generation(kubernetes: Cluster) -> None:
    await a_workload(kubernetes, "Deployment", 1)
    annotated = await kubernetes.admin.merge(
        kubernetes.path("Deployment", "web"), {"metadata": {"annotations": {"a": "b"}}}
    )
    assert annotated["metadata"]["generation"] == 1
    await kubernetes.scale("web", 2)
    assert (await kubernetes.get("web"))["metadata"]["generation"] == 2


async def test_a_lease_is_never_overwritten_unseen(kubernetes: Cluster) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{kubernetes.namespace}/leases"
    body = {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}}
    first = await kubernetes.admin.create(leases, body)
    status = await refused(kubernetes.admin, "POST", leases, body)
    assert (status["code"], status["reason"]) == (409, "AlreadyExists")
    status = await refused(kubernetes.admin, "PUT", f"{leases}/leader", body)
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value: 0" in status["message"]
    first["spec"] |= {"holderIdentity": "", "renewTime": "2026-12-05T10:00:00.123456Z", "leaseTransitions": 1}
    second = await kubernetes.admin.replace(f"{leases}/leader", first)
    assert second["spec"] == first["spec"]
    status = await refused(kubernetes.admin, "PUT", f"{leases}/leader", first)
    assert status["reason"] == "Conflict"


async def test_a_deleted_lease_is_made_anew_by_a_put_unless_it_names_the_old_one(kubernetes: Cluster) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{kubernetes.namespace}/leases"
    body = {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}}
    first = await kubernetes.admin.create(leases, body)
    await kubernetes.admin.delete(f"{leases}/leader")
    status = await refused(kubernetes.admin, "PUT", f"{leases}/leader", first)
    assert (status["code"], status["reason"]) == (409, "Conflict")
    del first["metadata"]["uid"]
    second = await kubernetes.admin.replace(f"{leases}/leader", first)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]


async def test_a_lease_cannot_last_no_time(kubernetes: Cluster) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{kubernetes.namespace}/leases"
    body = {"metadata": {"name": "leader"}, "spec": {"leaseDurationSeconds": 0}}
    assert (await refused(kubernetes.admin, "POST", leases, body))["reason"] == "Invalid"


async def test_an_object_that_was_made_anew_is_not_the_one_that_was_meant(kubernetes: Cluster) -> None:
    path = await a_workload(kubernetes, "Deployment", 1)
    old = await kubernetes.admin.get(path)
    await kubernetes.admin.delete(kubernetes.path("Deployment", "web"), {"propagationPolicy": "Background"})
    await kubernetes.deploy("web", 1)
    old["metadata"]["resourceVersion"] = ""
    status = await refused(kubernetes.admin, "PUT", path, old)
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert "UID in precondition" in status["message"]


async def test_what_was_deleted_takes_its_pods_along(kubernetes: Cluster) -> None:
    if kubernetes.runs_pods_itself:
        pytest.skip("the cluster's own garbage collection takes its time")
    await a_workload(kubernetes, "Deployment", 2)
    await kubernetes.until_ready("web", 2)
    await kubernetes.admin.delete(kubernetes.path("Deployment", "web"))
    await kubernetes.eventually(lambda: kubernetes.pods("web"), lambda pods: pods == [])


async def test_an_unknown_field_is_dropped_or_refused(kubernetes: Cluster) -> None:
    maps = f"/api/v1/namespaces/{kubernetes.namespace}/configmaps"
    body = {"metadata": {"name": "settings"}, "data": {"a": "b"}, "datum": {"c": "d"}}
    reply = await kubernetes.admin.ask("POST", maps, body, query={"fieldValidation": "Strict"})
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "datum"' in reply.body["message"]
    reply = await kubernetes.admin.ask("POST", maps, body)
    assert (reply.code, reply.headers["Warning"]) == (201, '299 - "unknown field \\"datum\\""')
    assert "datum" not in reply.body


async def test_nothing_is_made_in_a_namespace_that_is_not_there(kubernetes: Cluster) -> None:
    body = {"metadata": {"name": "settings"}}
    status = await refused(kubernetes.admin, "POST", "/api/v1/namespaces/nowhere/configmaps", body)
    assert (status["code"], status["message"]) == (404, 'namespaces "nowhere" not found')


async def test_refused_says_what_the_server_said(kubernetes: Cluster) -> None:
    with pytest.raises(Refused, match=r'404: deployments\.apps "web" not found'):
        await kubernetes.get("web")
