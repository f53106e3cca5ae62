"""The roles of deploy/kubernetes are what the scaler needs: with them nothing is refused, and each verb of them is asked for.

What is needed is written down here, so that a right too few and one too many are seen without a scaler; that the scaler asks for
just these is seen by running one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.autoscaler.kubernetes_api.access import service_account
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import little
from tests.stores import Valkey
from tests.system.manifests import OVERLAYS, built, of_kind
from tests.system.scalers import ScalerProcess

__all__ = ["little"]

HOME, SHOP, ACCOUNT = "tidegate", "shop", "tidegate-scaler"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
Right = tuple[str, str, str, str, str]
"""Namespace, group, resource (with its subresource), verb, and the name of the one object it is for; "" for all of them."""
Objects = list[dict[str, Any]]

OF_TARGETS = (
    ("apps", "deployments/scale", "get"),
    ("apps", "deployments/scale", "update"),
    ("apps", "deployments", "get"),
    ("apps", "deployments", "list"),
    ("apps", "deployments", "watch"),
    ("apps", "deployments", "patch"),
    ("", "pods", "list"),
    ("", "pods", "watch"),
    ("autoscaling", "horizontalpodautoscalers", "list"),
    ("autoscaling", "horizontalpodautoscalers", "watch"),
    ("", "events", "create"),
    ("", "events", "patch"),
)
NEEDED: set[Right] = {
    (HOME, "coordination.k8s.io", "leases", "create", ""),
    (HOME, "coordination.k8s.io", "leases", "get", "tidegate-scaler"),
    (HOME, "coordination.k8s.io", "leases", "update", "tidegate-scaler"),
    *((namespace, *right, "") for namespace in (HOME, SHOP) for right in OF_TARGETS),
}


def rules_with(deployments: dict[str, str], folder: Path) -> Path:
    """Write the rules of the manifests down, with short intervals."""
    rules = folder / "rules"
    rules.mkdir()
    for file, text in of_kind(built("prod"), "ConfigMap")[HOME, "tidegate-rules"]["data"].items():
        rule = YAML(typ="safe").load(text)
        rule["spec"]["interval"] = "500ms"
        rule["spec"].pop("fallback", None)
        with (rules / file).open("w") as out:
            YAML().dump(rule, out)
        target = rule["spec"]["target"]
        deployments[target["name"]] = target["namespace"]
    return rules


def granted(objects: Objects) -> set[Right]:
    """Return all that the roles which are bound to the scaler grant."""
    roles = of_kind(objects, "Role")
    found = set()
    for (namespace, _), binding in of_kind(objects, "RoleBinding").items():
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}
        assert binding["subjects"] == [subject]
        for rule in roles[namespace, binding["roleRef"]["name"]]["rules"]:
            found |= {
                (namespace, group, resource, verb, name)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
                for name in rule.get("resourceNames") or [""]
            }
    assert not of_kind(objects, "ClusterRole")
    assert not of_kind(objects, "ClusterRoleBinding")
    return found


@pytest.fixture
async def applied(little: Cluster) -> Cluster:
    """The little cluster with the roles of the manifests, and the service account that has them."""
    assert little.namespace == SHOP
    await little.admin.create("/api/v1/namespaces", {"metadata": {"name": HOME}})
    accounts = f"/api/v1/namespaces/{HOME}/serviceaccounts"
    await little.admin.create(accounts, {"metadata": {"name": ACCOUNT}})
    for kind in ("Role", "RoleBinding"):
        for (namespace, _), found in of_kind(built("prod"), kind).items():
            plain = copy.deepcopy(found)
            await little.admin.create(f"{RBAC}/namespaces/{namespace}/{kind.lower()}s", plain)
    return little


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_roles_grant_what_is_needed_and_nothing_else(overlay: str) -> None:
    assert granted(built(overlay)) == NEEDED


def mutations(rule: dict[str, Any]) -> list[Callable[[dict[str, Any]], object]]:
    """Return the ways to make a rule wider or narrower by one thing, each to be done to a copy of it."""
    less: list[Callable[[dict[str, Any]], object]] = [
        lambda copied, verb=verb: copied["verbs"].remove(verb) for verb in rule["verbs"]
    ]
    more = [
        lambda copied, verb=verb: copied["verbs"].append(verb)
        for verb in ("get", "list", "create", "delete", "*")
        if verb not in rule["verbs"]
    ]
    wider = [
        lambda copied: copied["resources"].append("secrets"),
        lambda copied: copied["apiGroups"].append("batch"),
    ]
    if "resourceNames" in rule:
        wider += [
            lambda copied: copied.pop("resourceNames"),
            lambda copied: copied["resourceNames"].append("another"),
        ]
    return [*less, *more, *wider]


def test_one_right_more_or_less_in_any_role_is_seen() -> None:
    tried = 0
    rights = [found for found in built("prod") if found["kind"] in ("Role", "RoleBinding")]
    for (namespace, name), role in of_kind(rights, "Role").items():
        for index, rule in enumerate(role["rules"]):
            for mutate in mutations(rule):
                objects = copy.deepcopy(rights)
                mutate(of_kind(objects, "Role")[namespace, name]["rules"][index])
                assert granted(objects) != NEEDED, (namespace, name, rule)
                tried += 1
    assert tried > len(NEEDED)


async def test_the_scaler_asks_for_just_what_is_needed_and_is_refused_nothing(
    applied: Cluster, tmp_path: Path
) -> None:
    deployments: dict[str, str] = {}
    rules = rules_with(deployments, tmp_path)
    assert deployments == {"tidegate-queue": HOME, "tickets": SHOP}
    for name, namespace in deployments.items():
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        await applied.admin.create(path, {"metadata": {"name": name}, "spec": spec})
    answer = await applied.admin.create(
        f"/api/v1/namespaces/{HOME}/serviceaccounts/{ACCOUNT}/token",
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}},
    )
    user = service_account(HOME, ACCOUNT).name
    # Somebody else is faster once for each target and its mark, after which the scaler reads them itself.
    for name in deployments:
        applied.server.faults.order(Fault(Kind.CHANGED, verb="update", subresource="scale", name=name))
        applied.server.faults.order(Fault(Kind.CHANGED, verb="patch", resource="deployments", name=name))
    store = Valkey(tmp_path)
    store.start()
    scaler = ScalerProcess(
        "scaler", tmp_path, "--rules", str(rules), "--store", store.url, "--leader", "kubernetes",
        "--kubeconfig", str(applied.kubeconfig(answer["status"]["token"])), "--namespace", HOME, "--lease-duration", "3",
    )  # fmt: skip
    try:
        await scaler.until(lambda status: asked(applied, user) >= NEEDED)
    finally:
        await scaler.stop()
        store.stop()
    assert asked(applied, user) == NEEDED
    refused = [each.asked.right for each in applied.server.answered if each.code == 403]
    assert refused == []


def asked(cluster: Cluster, user: str) -> set[Right]:
    """Return what the user has asked for, with the names of objects where what is needed has names."""
    named = {right[:-1] for right in NEEDED if right[-1]}
    found = set()
    for who, wanted in cluster.server.access.record:
        if who.name == user and wanted.about_resource:
            resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
            right = (wanted.namespace, wanted.group, resource, wanted.verb)
            found.add((*right, wanted.name if right in named else ""))
    return found
