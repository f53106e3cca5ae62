"""What all that speaks to one cluster shares: the client with its one limit, what is known of kinds, the autoscalers found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from autoscaler.clock import Clock
from autoscaler.instrumentation.events import Instrument
from autoscaler.kubernetes.access import Access, find_access
from autoscaler.kubernetes.autoscalers import Rivals
from autoscaler.kubernetes.client import ClientLimits, KubernetesClient
from autoscaler.kubernetes.copies import Copies
from autoscaler.kubernetes.resources import Resources
from autoscaler.settings import ScalerSettings

MARKS_AT_ONCE = 8
"""How many targets are marked with a new leader's term at a time. A leader of hundreds of rules marks them all when it takes
over; so few are in the line for the client's limit that a watch or a write never waits behind all of them."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster; nothing is connected before it is first used. `marking` is held while a target is marked with a term."""

    client: KubernetesClient
    resources: Resources
    copies: Copies
    rivals: Rivals
    namespace: str
    clock: Clock
    marking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MARKS_AT_ONCE))

    async def close(self) -> None:
        """Stop watching, and close all connections."""
        await self.copies.close()
        await self.client.close()


def access_of(settings: ScalerSettings) -> Access:
    """Find the cluster which an operator means.

    Raises:
        ConfigurationError: none is named, none is here, or what names it cannot be used.
    """
    return find_access(settings.kubeconfig, settings.context, service_account=settings.service_account)


@asynccontextmanager
async def open_own_client(
    settings: ScalerSettings, clock: Clock, namespace: str | None, instrument: Instrument | None = None
) -> AsyncIterator[tuple[KubernetesClient, str]]:
    """Speak to that cluster with a limit of one's own, which no scaling uses up; in a namespace, or in that of targets.

    Raises:
        ConfigurationError: no cluster is named, none is here, or what names it cannot be used.
    """
    access = access_of(settings)
    client = KubernetesClient(access, clock, instrument=instrument)
    try:
        yield client, namespace or settings.namespace or access.namespace
    finally:
        await client.close()


def make_cluster(settings: ScalerSettings, clock: Clock, instrument: Instrument) -> Cluster:
    """Prepare to speak to the cluster which an operator means.

    Raises:
        ConfigurationError: none is named, none is here, or what names it cannot be used.
    """
    access = access_of(settings)
    limits = ClientLimits(settings.kubernetes_qps, settings.kubernetes_burst)
    client = KubernetesClient(access, clock, limits, instrument)
    copies = Copies(client, clock=clock, instrument=instrument)
    return Cluster(
        client=client,
        resources=Resources(client),
        copies=copies,
        rivals=Rivals(copies),
        namespace=settings.namespace or access.namespace,
        clock=clock,
    )
