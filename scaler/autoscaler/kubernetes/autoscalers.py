"""Which HorizontalPodAutoscalers there are in the namespaces of our targets: two that scale one thing would fight over it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from autoscaler.clock import Clock
from autoscaler.errors import KubernetesError
from autoscaler.instrumentation.events import Instrument
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import KubernetesClient
from autoscaler.kubernetes.reflector import Reflector, Scope
from autoscaler.kubernetes.resources import AUTOSCALERS, Reference


@dataclass(frozen=True, slots=True)
class Rival:
    """A HorizontalPodAutoscaler by name, and what it scales: group, kind, name."""

    name: str
    scales: tuple[str, str, str]


class Rivals:
    """Watches the autoscalers of each namespace once, however many targets there are in it."""

    def __init__(self, client: KubernetesClient, *, clock: Clock, instrument: Instrument) -> None:
        self._client = client
        self._clock = clock
        self._instrument = instrument
        self._watched: dict[str, tuple[Reflector[Rival], asyncio.Task[None]]] = {}

    async def rival_of(self, reference: Reference) -> str:
        """Name the autoscaler which scales this object too; empty when there is none, or when we may not look."""
        reflector = self._reflector(reference.namespace)
        try:
            await reflector.first()
        except (
            KubernetesError
        ):  # recorded where it happened; without the right to look, nothing is known against scaling
            return ""
        key = (reference.group, reference.kind, reference.name)
        return next((rival.name for rival in reflector.objects.values() if rival.scales == key), "")

    async def close(self) -> None:
        """Stop watching."""
        tasks = [task for _, task in self._watched.values()]
        self._watched.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reflector(self, namespace: str) -> Reflector[Rival]:
        if namespace not in self._watched:
            scope = Scope(f"HorizontalPodAutoscalers of {namespace}", AUTOSCALERS.collection(namespace))
            reflector = Reflector(
                self._client, scope, read_rival, _nobody, clock=self._clock, instrument=self._instrument
            )
            task = asyncio.create_task(reflector.run(), name=scope.what)
            self._watched[namespace] = (reflector, task)
        return self._watched[namespace][0]


def read_rival(item: Json) -> Rival:
    """Read a HorizontalPodAutoscaler."""
    scaled = (item.get("spec") or {}).get("scaleTargetRef") or {}
    group = str(scaled.get("apiVersion", "")).rpartition("/")[0]
    return Rival(item["metadata"]["name"], (group, scaled.get("kind", ""), scaled.get("name", "")))


def _nobody() -> None:
    """Nobody waits for a change: it is looked at when there is something to write."""
