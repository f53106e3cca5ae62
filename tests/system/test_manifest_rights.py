"""The roles of deploy/kubernetes are what the scaler needs: with them nothing is refused, and each verb of them is asked for."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.autoscaler.kubernetes_api.access import service_account
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import little
from tests.stores import Valkey
from tests.system.manifests import built, of_kind
from tests.system.scalers import ScalerProcess

__all__ = ["little"]

pytestmark = pytest.mark.slow

HOME, SHOP, ACCOUNT = "tidegate", "shop", "tidegate-scaler"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
Right = tuple[str, str, str, str]
"""Namespace, group, resource (with its subresource), verb."""


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


def granted() -> set[Right]:
    """Return all that the roles which are bound to the scaler grant."""
    objects = built("prod")
    roles = of_kind(objects, "Role")
    found = set()
    for (namespace, _), binding in of_kind(objects, "RoleBinding").items():
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}
        assert binding["subjects"] == [subject]
        for rule in roles[namespace, binding["roleRef"]["name"]]["rules"]:
            found |= {
                (namespace, group, resource, verb)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
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


async def test_the_roles_are_exactly_what_the_scaler_asks_for(applied: Cluster, tmp_path: Path) -> None:
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
    # Somebody else is faster once for each target, after which the scaler reads the count itself.
    for name in deployments:
        applied.server.faults.order(Fault(Kind.CHANGED, verb="update", subresource="scale", name=name))
    store = Valkey(tmp_path)
    store.start()
    scaler = ScalerProcess(
        "scaler", tmp_path, "--rules", str(rules), "--store", store.url, "--leader", "kubernetes",
        "--kubeconfig", str(applied.kubeconfig(answer["status"]["token"])), "--namespace", HOME, "--lease-duration", "3",
    )  # fmt: skip
    try:
        await scaler.until(lambda status: asked(applied, user) >= granted())
    finally:
        await scaler.stop()
        store.stop()
    assert asked(applied, user) == granted()
    refused = [each.asked.right for each in applied.server.answered if each.code == 403]
    assert refused == []


def asked(cluster: Cluster, user: str) -> set[Right]:
    return {
        (namespace, group, f"{resource}/{sub}" if sub else resource, verb)
        for verb, group, resource, sub, namespace in cluster.server.access.rights(user)
    }
