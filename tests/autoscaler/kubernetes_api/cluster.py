"""A cluster as a test sees it, little or real: its address, accounts with rights, workloads, and what became of them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.autoscaler.kubernetes_api.client import Client
from tests.autoscaler.kubernetes_api.server import ApiServer
from tests.autoscaler.kubernetes_api.statuses import Json
from tests.autoscaler.kubernetes_api.workloads import Kind, Workloads

T = TypeVar("T")
IMAGE = os.environ.get("TIDEGATE_TEST_IMAGE", "example")
"""What the pods of a real cluster run: anything that stays up."""
EVERYTHING = ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},)
CUSTOM_GROUP, CUSTOM_VERSION, CUSTOM_PLURAL, CUSTOM_KIND = "example.org", "v1", "shops", "Shop"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_APPS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "ReplicaSet": "replicasets"}


class Cluster:
    """A namespace of one's own in a cluster.

    `admin` may everything and meets no ordered faults; `server` is the little server, None where the cluster is a real one;
    `workloads` runs the pods, None where the cluster does that itself.
    """

    def __init__(
        self, folder: Path, address: str, authority: Path, admin: Client, namespace: str,
        server: ApiServer | None, workloads: Workloads | None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.address = address
        self.authority = authority
        self.admin = admin
        self.namespace = namespace
        self._workloads = workloads
        self._server = server
        self._admin_token: str | None = None
        self._left: list[str] = []

    @property
    def server(self) -> ApiServer:
        """The little server, for tests which order faults or look inside."""
        assert self._server is not None, "only the little server can do that"
        return self._server

    @property
    def workloads(self) -> Workloads:
        """What runs the pods, where the cluster does not do that itself."""
        assert self._workloads is not None, "this cluster runs its pods itself"
        return self._workloads

    @property
    def runs_pods_itself(self) -> bool:
        """A whole cluster, with controllers and nodes of its own."""
        return self._workloads is None

    def tls(self) -> ssl.SSLContext:
        """Return what a client needs to trust the server."""
        return ssl.create_default_context(cafile=str(self.authority))

    async def admin_token(self) -> str:
        """Return a token that may everything."""
        if self._admin_token is None:
            self._admin_token = await self.account("admin", cluster_wide=True)
        return self._admin_token

    async def account(
        self, name: str, rules: Sequence[Json] = EVERYTHING, *, cluster_wide: bool = False
    ) -> str:
        """Make a service account with these rights (PolicyRules) in the namespace, or everywhere; returns a token of it."""
        here = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        account = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        await self.admin.create(here, {"metadata": {"name": name}})
        role, where = (
            ("ClusterRole", _RBAC) if cluster_wide else ("Role", f"{_RBAC}/namespaces/{self.namespace}")
        )
        title = f"{self.namespace}-{name}"
        plural = role.lower() + "s"
        await self.admin.create(f"{where}/{plural}", {"metadata": {"name": title}, "rules": list(rules)})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": title}
        binding = {"metadata": {"name": title}, "roleRef": reference, "subjects": [account]}
        await self.admin.create(f"{where}/{plural.removesuffix('s')}bindings", binding)
        if cluster_wide:
            self._left += [f"{where}/{plural}/{title}", f"{where}/{role.lower()}bindings/{title}"]
        return await self.token(name)

    async def token(self, account: str) -> str:
        """Return a new token of a service account."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        answer = await self.admin.create(
            path, {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
        )
        token: str = answer["status"]["token"]
        return token

    def kubeconfig(self, token: str, name: str = "kubeconfig") -> Path:
        """Write a kubeconfig file for a token."""
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        context = {"cluster": "test", "user": "test", "namespace": self.namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {"name": "test", "cluster": {"server": self.address, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path = self.folder / name
        path.write_text(json.dumps(document))
        return path

    async def deploy(
        self, name: str, replicas: int = 2, kind: str = "Deployment", beside: Sequence[str] = ()
    ) -> Json:
        """Create a Deployment, StatefulSet or ReplicaSet whose pods bear the label `app`; more containers stand `beside`."""
        labels = {"app": name}
        containers: list[Json] = [{"name": "app", "image": IMAGE, "ports": [{"containerPort": 8080}]}]
        containers += [{"name": each, "image": IMAGE} for each in beside]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec: Json = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        if kind == "StatefulSet":
            spec["serviceName"] = name
        return await self.admin.create(self.path(kind), {"metadata": {"name": name}, "spec": spec})

    async def define_shops(self) -> None:
        """Make a custom resource with a scale known: kind `Shop` of example.org/v1."""
        number = {"type": "integer"}
        status = {
            "type": "object",
            "properties": {"replicas": number, "readyReplicas": number, "selector": {"type": "string"}},
        }
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"replicas": number}}, "status": status},
        }
        paths = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
        definition = {
            "metadata": {"name": f"{CUSTOM_PLURAL}.{CUSTOM_GROUP}"},
            "spec": {
                "group": CUSTOM_GROUP,
                "scope": "Namespaced",
                "names": {
                    "plural": CUSTOM_PLURAL,
                    "singular": "shop",
                    "kind": CUSTOM_KIND,
                    "listKind": "ShopList",
                },
                "versions": [
                    {
                        "name": CUSTOM_VERSION,
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        "subresources": {"status": {}, "scale": paths},
                    }
                ],
            },
        }
        body = {"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", **definition}
        known = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        reply = await self.admin.ask("POST", known, body)
        assert reply.code in (201, 409), reply.body
        self._left.append(f"{known}/{CUSTOM_PLURAL}.{CUSTOM_GROUP}")
        api = f"/apis/{CUSTOM_GROUP}/{CUSTOM_VERSION}"
        await self.eventually(
            lambda: self.admin.ask("GET", f"{api}/{CUSTOM_PLURAL}"),
            lambda reply: reply.code == 200,
        )
        if not self.runs_pods_itself:
            self.workloads.follow(Kind(api, CUSTOM_PLURAL, CUSTOM_KIND))

    async def open_shop(self, name: str, replicas: int = 2) -> Json:
        """Create a Shop."""
        body = {
            "apiVersion": f"{CUSTOM_GROUP}/{CUSTOM_VERSION}",
            "kind": CUSTOM_KIND,
            "metadata": {"name": name},
            "spec": {"replicas": replicas},
        }
        return await self.admin.create(self.path(CUSTOM_KIND), body)

    def path(self, kind: str, name: str = "", subresource: str = "") -> str:
        """Return the path of workloads of a kind in the namespace, or of one of them."""
        if kind == CUSTOM_KIND:
            base = f"/apis/{CUSTOM_GROUP}/{CUSTOM_VERSION}/namespaces/{self.namespace}/{CUSTOM_PLURAL}"
        else:
            base = f"/apis/apps/v1/namespaces/{self.namespace}/{_APPS[kind]}"
        return "/".join(part for part in (base, name, subresource) if part)

    async def get(self, name: str, kind: str = "Deployment") -> Json:
        """Return a workload."""
        return await self.admin.get(self.path(kind, name))

    async def replicas(self, name: str, kind: str = "Deployment") -> int:
        """Return how many replicas a workload is asked for."""
        found: int = (await self.get(name, kind))["spec"].get("replicas", 0)
        return found

    async def ready(self, name: str, kind: str = "Deployment") -> int:
        """Return how many are ready, by the workload's status."""
        found: int = (await self.get(name, kind)).get("status", {}).get("readyReplicas", 0)
        return found

    async def until_ready(self, name: str, count: int, kind: str = "Deployment") -> None:
        """Wait until so many are ready."""
        await self.eventually(lambda: self.ready(name, kind), lambda ready: ready == count)

    async def scale(self, name: str, replicas: int, kind: str = "Deployment") -> None:
        """Ask for another number, as a person would."""
        await self.admin.merge(self.path(kind, name, "scale"), {"spec": {"replicas": replicas}})

    async def pods(self, app: str = "") -> list[Json]:
        """Return the pods, those of one workload if it is named."""
        query = {"labelSelector": f"app={app}"} if app else {}
        found: list[Json] = (await self.admin.get(f"/api/v1/namespaces/{self.namespace}/pods", **query))[
            "items"
        ]
        return found

    async def events(self, about: str = "") -> list[Json]:
        """Return the events, those about one object if it is named, in their core form."""
        found: list[Json] = (await self.admin.get(f"/api/v1/namespaces/{self.namespace}/events"))["items"]
        return [one for one in found if not about or one["involvedObject"]["name"] == about]

    async def lease(self, name: str) -> Json:
        """Return the spec of a lease."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{name}"
        spec: Json = (await self.admin.get(path))["spec"]
        return spec

    async def clean(self) -> None:
        """Remove the namespace, and what was made outside of it."""
        for path in (f"/api/v1/namespaces/{self.namespace}", *self._left):
            await self.admin.ask("DELETE", path)

    async def eventually(
        self, ask: Callable[[], Awaitable[T]], condition: Callable[[T], bool], within_s: float = 60.0
    ) -> T:
        """Ask again and again until the answer is as wished; the limit only ends a test that is lost."""
        end_s = time.monotonic() + within_s
        while not condition(answer := await ask()):
            assert time.monotonic() < end_s, f"it did not come about in time; last: {answer}"
            await asyncio.sleep(0.02)
        return answer
