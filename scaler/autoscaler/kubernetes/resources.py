"""Where objects stand in the API: their paths, and the plural of a kind, which only the API server knows for sure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from autoscaler.errors import Invalid, Missing
from autoscaler.kubernetes.client import KubernetesClient


@dataclass(frozen=True, slots=True)
class Reference:
    """An object by its name, as documents write it; always with a namespace."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As people write it: `Deployment shop/web`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the API serves it."""

    api_version: str
    plural: str
    namespaced: bool = True

    def collection(self, namespace: str) -> str:
        """Return the path of all objects of this kind in a namespace."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced else ""
        return f"{root}{scope}/{self.plural}"

    def object(self, namespace: str, name: str) -> str:
        """Return the path of one object."""
        return f"{self.collection(namespace)}/{quote(name, safe='')}"

    def scale(self, namespace: str, name: str) -> str:
        """Return the path of an object's `scale` subresource."""
        return f"{self.object(namespace, name)}/scale"


PODS: Final = Resource("v1", "pods")
EVENTS: Final = Resource("v1", "events")
AUTOSCALERS: Final = Resource("autoscaling/v2", "horizontalpodautoscalers")

KNOWN: Final = {
    ("apps/v1", "Deployment"): Resource("apps/v1", "deployments"),
    ("apps/v1", "StatefulSet"): Resource("apps/v1", "statefulsets"),
    ("apps/v1", "ReplicaSet"): Resource("apps/v1", "replicasets"),
}
"""Kinds which every cluster serves like this; for these nobody is asked."""


class Resources:
    """Finds the resource of a kind, and remembers what it found."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._found = dict(KNOWN)
        self._asking = asyncio.Lock()

    async def find(self, reference: Reference) -> Resource:
        """Return the resource of an object which can be scaled.

        Raises:
            Missing: the API server knows no such kind.
            Invalid: the kind has no `scale` subresource.
            KubernetesError: it cannot be told now.
        """
        key = (reference.api_version, reference.kind)
        async with self._asking:
            if key not in self._found:
                self._found[key] = await self._discover(reference)
            return self._found[key]

    def forget(self, reference: Reference) -> None:
        """Ask again next time: the definition of a kind may have been replaced."""
        key = (reference.api_version, reference.kind)
        if key not in KNOWN:
            self._found.pop(key, None)

    async def _discover(self, reference: Reference) -> Resource:
        version, kind = reference.api_version, reference.kind
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            listed = (await self._client.get(path)).get("resources") or []
        except Missing as error:
            raise Missing(f"{reference}: the API server does not serve {version}") from error
        served = [
            entry for entry in listed if entry.get("kind") == kind and "/" not in entry.get("name", "/")
        ]
        if not served:
            raise Missing(f"{reference}: the API server knows no kind {kind} in {version}")
        plural = served[0]["name"]
        if not any(entry.get("name") == f"{plural}/scale" for entry in listed):
            raise Invalid(
                f"{reference}: {plural} of {version} have no scale subresource, so they cannot be scaled"
            )
        return Resource(version, plural, bool(served[0].get("namespaced", True)))
