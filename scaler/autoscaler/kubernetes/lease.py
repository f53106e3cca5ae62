"""A `Lease` object of coordination.k8s.io in Kubernetes, written only in the version that was seen.

What it says is what client-go's leader election writes, so that everyone's tools can read it. It has a connection and a limit of
its own: a renewal must not wait behind the scaler's other requests.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from autoscaler.clock import Clock
from autoscaler.errors import Conflict, LeaseTaken, Missing, Unreachable
from autoscaler.instrumentation.events import Instrument
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import KubernetesClient
from autoscaler.kubernetes.cluster import open_own_client
from autoscaler.kubernetes.resources import Resource
from autoscaler.leadership.lease import Lease
from autoscaler.settings import ScalerSettings

LEASES: Final = Resource("coordination.k8s.io/v1", "leases")


class KubernetesLease:
    """Keeps the lease of one name in one namespace."""

    def __init__(self, client: KubernetesClient, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._kept: Json = {}

    async def read(self) -> Lease | None:
        """Return the lease, if there is one.

        Raises:
            KubernetesError: the API server does not tell it, or what it tells is no lease.
        """
        try:
            found = await self._client.get(LEASES.object(self._namespace, self._name))
        except Missing:
            return None
        return self._read(found)

    async def write(self, lease: Lease, seen: Lease | None) -> Lease:
        """Put a lease in the place of the one seen; None: of none. Returns it as the API server keeps it.

        Raises:
            LeaseTaken: another one stands there by now, or the one seen was deleted.
            KubernetesError: it was refused, or there is no answer: then it may have been written all the same.
        """
        metadata: Json = {"name": self._name, "namespace": self._namespace}
        body: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        body["spec"] = spec_of(lease)
        try:
            if seen is None:
                written = await self._client.request("POST", LEASES.collection(self._namespace), body=body)
            else:
                # What others have put on the object (labels, annotations, owners) stays. The uid keeps a write from making anew
                # what was deleted: the server takes a PUT for a creation then, whatever version it names.
                body["metadata"] = {**self._kept, **metadata, "resourceVersion": seen.version}
                path = LEASES.object(self._namespace, self._name)
                written = await self._client.request("PUT", path, body=body)
        except Conflict as error:
            raise LeaseTaken(f"lease {self._namespace}/{self._name}: {error}") from error
        except Missing as error:
            if seen is None:  # the namespace is not there
                raise
            raise LeaseTaken(f"lease {self._namespace}/{self._name} was deleted") from error
        return self._read(written)

    def _read(self, found: Json) -> Lease:
        try:
            metadata, spec = found["metadata"], found.get("spec") or {}
            self._kept = {
                name: metadata[name]
                for name in ("uid", "labels", "annotations", "ownerReferences", "finalizers")
                if name in metadata
            }
            return Lease(
                holder=spec.get("holderIdentity") or "",
                term=int(spec.get("leaseTransitions") or 0),
                duration_s=float(spec.get("leaseDurationSeconds") or 0),
                acquired_at_s=_seconds(spec.get("acquireTime")),
                renewed_at_s=_seconds(spec.get("renewTime")),
                version=metadata["resourceVersion"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"lease {self._namespace}/{self._name} cannot be read: {error}") from error


@asynccontextmanager
async def open_lease(
    settings: ScalerSettings, clock: Clock, instrument: Instrument | None = None
) -> AsyncIterator[KubernetesLease]:
    """Keep the lease which the settings name, in the cluster which they name.

    Raises:
        ConfigurationError: no cluster is named, none is here, or what names it cannot be used.
    """
    own = open_own_client(settings, clock, settings.lease_namespace, instrument)
    async with own as (client, namespace):
        yield KubernetesLease(client, namespace, settings.lease_name)


def spec_of(lease: Lease) -> Json:
    """Return the spec that says what a lease says; its duration has whole seconds, never fewer than are meant."""
    return {
        "holderIdentity": lease.holder,
        "leaseDurationSeconds": math.ceil(lease.duration_s),
        "leaseTransitions": lease.term,
        "acquireTime": _micro_time(lease.acquired_at_s),
        "renewTime": _micro_time(lease.renewed_at_s),
    }


def _micro_time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
