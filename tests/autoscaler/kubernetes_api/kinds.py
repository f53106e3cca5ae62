"""The resources which the server knows: their names, what may be done with them, and how those with a scale are scaled.

Sources: the strategies in kubernetes/kubernetes `pkg/registry/*/*/strategy.go` (AllowUnconditionalUpdate, AllowCreateOnUpdate),
`pkg/registry/apps/deployment/storage/storage.go` (scale), apiextensions-apiserver `pkg/registry/customresource` (custom ones).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.autoscaler.kubernetes_api.statuses import Json

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
NAME_FIELDS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the three figures of a scale stand in an object; `selector` names a LabelSelector, or text in custom resources."""

    spec: str = "spec.replicas"
    status: str = "status.replicas"
    selector: str = "spec.selector"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    schema: str = ""
    """Long name of its type in the published schemas; empty for custom resources."""

    scale: ScalePaths | None = None
    status: bool = False
    verbs: tuple[str, ...] = ALL_VERBS
    unconditional_update: bool = True
    """A PUT without resourceVersion overwrites; otherwise it is refused."""

    create_on_update: bool = False
    generation: bool = False
    """Each change of the spec counts up metadata.generation."""

    fields: tuple[str, ...] = NAME_FIELDS
    """What a field selector may name."""

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def stored_as(self) -> tuple[str, str]:
        """Versions and groups which show the same objects share this key: there is one store of events."""
        return ("", "events") if self.plural == "events" else (self.group, self.plural)


def _apps(plural: str, kind: str, *short: str) -> Resource:
    schema = f"io.k8s.api.apps.v1.{kind}"
    return Resource(
        "apps", "v1", plural, kind, short, True, schema, ScalePaths(), status=True, generation=True
    )


def _core(plural: str, kind: str, *short: str, namespaced: bool = True, status: bool = False) -> Resource:
    schema = f"io.k8s.api.core.v1.{kind}"
    return Resource("", "v1", plural, kind, short, namespaced, schema, status=status)


def _rbac(plural: str, kind: str, *, namespaced: bool) -> Resource:
    schema = f"io.k8s.api.rbac.v1.{kind}"
    return Resource("rbac.authorization.k8s.io", "v1", plural, kind, (), namespaced, schema)


_EVENT_FIELDS = (*NAME_FIELDS, "reason", "type", "source")
BUILT_IN = (
    _apps("deployments", "Deployment", "deploy"),
    _apps("statefulsets", "StatefulSet", "sts"),
    _apps("replicasets", "ReplicaSet", "rs"),
    Resource(
        "", "v1", "pods", "Pod", ("po",), True, "io.k8s.api.core.v1.Pod", status=True,
        fields=(*NAME_FIELDS, "spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    ),
    _core("configmaps", "ConfigMap", "cm"),
    _core("secrets", "Secret"),
    _core("services", "Service", "svc", status=True),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("namespaces", "Namespace", "ns", namespaced=False, status=True),
    Resource(
        "", "v1", "events", "Event", ("ev",), True, "io.k8s.api.core.v1.Event", create_on_update=True,
        fields=(*_EVENT_FIELDS, "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
                "involvedObject.uid", "involvedObject.apiVersion", "reportingComponent"),
    ),
    Resource(
        "events.k8s.io", "v1", "events", "Event", ("ev",), True, "io.k8s.api.events.v1.Event", create_on_update=True,
        fields=(*_EVENT_FIELDS, "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
                "regarding.apiVersion", "reportingController"),
    ),
    Resource(
        "coordination.k8s.io", "v1", "leases", "Lease", (), True, "io.k8s.api.coordination.v1.Lease",
        unconditional_update=False, create_on_update=True,
    ),
    Resource(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ("hpa",), True,
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", status=True,
    ),
    Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", ("crd", "crds"), False,
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        status=True, unconditional_update=False,
    ),
    _rbac("roles", "Role", namespaced=True),
    _rbac("rolebindings", "RoleBinding", namespaced=True),
    _rbac("clusterroles", "ClusterRole", namespaced=False),
    _rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False),
)  # fmt: skip


class Registry:
    """The resources that are served now: the built-in ones, and those which CustomResourceDefinitions added."""

    def __init__(self, resources: Iterable[Resource] = BUILT_IN) -> None:
        self._resources = {(one.group, one.version, one.plural): one for one in resources}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def define(self, definition: Json) -> list[Resource]:
        """Serve what a CustomResourceDefinition describes; returns it."""
        added = custom_resources(definition)
        self.remove(definition)
        self._resources |= {(one.group, one.version, one.plural): one for one in added}
        return added

    def remove(self, definition: Json) -> None:
        """Serve it no longer."""
        spec = definition["spec"]
        group, plural = spec["group"], spec["names"]["plural"]
        for key in [key for key in self._resources if key[0] == group and key[2] == plural]:
            del self._resources[key]


def custom_resources(definition: Json) -> list[Resource]:
    """Read a CustomResourceDefinition: one resource for each version that it serves."""
    spec = definition["spec"]
    names = spec["names"]
    found = []
    for version in spec["versions"]:
        if not version.get("served", False):
            continue
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        paths = None
        if scale is not None:
            paths = ScalePaths(
                scale["specReplicasPath"].strip("."),
                scale["statusReplicasPath"].strip("."),
                scale.get("labelSelectorPath", "").strip("."),
            )
        found.append(
            Resource(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                tuple(names.get("shortNames") or ()),
                spec["scope"] == "Namespaced",
                scale=paths,
                status="status" in subresources,
                unconditional_update=False,
                generation=True,
            )
        )
    return found
