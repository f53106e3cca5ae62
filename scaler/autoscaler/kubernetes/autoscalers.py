"""Which HorizontalPodAutoscalers there are in the namespaces of our targets: two that scale one thing would fight over it."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.errors import KubernetesError
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.copies import Copies
from autoscaler.kubernetes.reflector import Reflector, Scope
from autoscaler.kubernetes.resources import AUTOSCALERS, Reference


@dataclass(frozen=True, slots=True)
class Rival:
    """A HorizontalPodAutoscaler by name, and what it scales: group, kind, name."""

    name: str
    scales: tuple[str, str, str]


class Rivals:
    """Knows the autoscalers of each namespace which it was asked about once."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._namespaces: dict[str, Reflector[Rival]] = {}

    async def rival_of(self, reference: Reference) -> str:
        """Name the autoscaler which scales this object too; empty when there is none, or when we may not look."""
        reflector = self._namespaces.get(reference.namespace)
        if reflector is None:
            reflector = self._namespaces[reference.namespace] = self._follow(reference.namespace)
        try:
            await reflector.first()
        except (
            KubernetesError
        ):  # recorded where it happened; without the right to look, nothing is known against scaling
            return ""
        key = (reference.group, reference.kind, reference.name)
        return next((rival.name for rival in reflector.objects.values() if rival.scales == key), "")

    def _follow(self, namespace: str) -> Reflector[Rival]:
        scope = Scope(f"HorizontalPodAutoscalers of {namespace}", AUTOSCALERS.collection(namespace))
        return self._copies.follow(scope, read_rival, _nobody)


def read_rival(item: Json) -> Rival:
    """Read a HorizontalPodAutoscaler."""
    scaled = (item.get("spec") or {}).get("scaleTargetRef") or {}
    group = str(scaled.get("apiVersion", "")).rpartition("/")[0]
    return Rival(item["metadata"]["name"], (group, scaled.get("kind", ""), scaled.get("name", "")))


def _nobody() -> None:
    """Nobody waits for a change: it is looked at when there is something to write."""
