"""All targets in one cluster: opened by their rules, followed for as long as these are there, and written about in Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from autoscaler.clock import Clock
from autoscaler.errors import TargetError
from autoscaler.instrumentation.instruments import Instruments
from autoscaler.instrumentation.kubernetes_events import KubernetesEvents, Subject
from autoscaler.kubernetes.cluster import Cluster, make_cluster
from autoscaler.kubernetes.resources import Reference
from autoscaler.settings import ScalerSettings
from autoscaler.targets.kubernetes import KubernetesTarget, PodsWanted
from rulebook.rule import ScalingRule


class ClusterTargets:
    """The targets in one cluster, each of one rule."""

    def __init__(
        self, cluster: Cluster, events: KubernetesEvents, check: Callable[[], None] | None = None
    ) -> None:
        self._cluster = cluster
        self._events = events
        self._check = check
        self._targets: dict[str, KubernetesTarget] = {}

    def open(self, rule: ScalingRule) -> KubernetesTarget:
        """Return the target of a rule, prepared for its present form.

        Raises:
            TargetError: it is another rule's.
        """
        reference, wanted = reference_of(rule, self._cluster.namespace), pods_wanted(rule)
        for name, target in self._targets.items():
            if name != rule.name and _same(target.reference, reference):
                raise TargetError(f"rule {rule.name}: {reference} belongs to rule {name}")
        target = self._targets.get(rule.name) or KubernetesTarget(self._cluster, reference, check=self._check)
        target.want_pods(wanted)
        self._targets[rule.name] = target
        self._events.follow(Subject(rule, reference, lambda: target.uid))
        return target

    async def release(self, rule: ScalingRule) -> None:
        """Stop following the target of a rule that is gone."""
        self._events.leave(rule.name)
        target = self._targets.pop(rule.name, None)
        if target is not None:
            await target.stop()

    async def close(self) -> None:
        """Stop following all of them."""
        await asyncio.gather(*(target.stop() for target in self._targets.values()))


@asynccontextmanager
async def open_cluster_targets(
    settings: ScalerSettings, clock: Clock, instruments: Instruments, check: Callable[[], None] | None
) -> AsyncIterator[ClusterTargets]:
    """Speak to the cluster which the settings name until the context ends; Events are written meanwhile.

    Raises:
        ConfigurationError: none is named, or what names it cannot be used.
    """
    async with AsyncExitStack() as stack:
        cluster = make_cluster(settings, clock, instruments)
        stack.push_async_callback(cluster.close)
        events = KubernetesEvents(instruments)
        await stack.enter_async_context(events.writing(cluster))
        instruments.add(events)
        stack.callback(instruments.remove, events)
        targets = ClusterTargets(cluster, events, check)
        stack.push_async_callback(targets.close)
        yield targets


def reference_of(rule: ScalingRule, namespace: str) -> Reference:
    """Return what a rule scales, in `namespace` if the rule names none."""
    target = rule.spec.target
    return Reference(target.api_version, target.kind, target.namespace or namespace, target.name)


def pods_wanted(rule: ScalingRule) -> PodsWanted | None:
    """Tell whether a rule reads its replicas' own pages, and at which port."""
    own = [
        signal.exposition
        for signal in rule.spec.signals
        if signal.exposition is not None and signal.exposition.urls is None
    ]
    if not own:
        return None
    return PodsWanted(next((query.port for query in own if query.port is not None), None))


def _same(one: Reference, other: Reference) -> bool:
    """Tell whether two references mean one object, whatever version of its group they name."""
    return (one.group, one.kind, one.namespace, one.name) == (
        other.group,
        other.kind,
        other.namespace,
        other.name,
    )
