"""The scaler's side of a cluster for tests: its client, its targets, and loops over them with signals that a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autoscaler.clock import SystemClock
from autoscaler.instrumentation.instruments import Instruments
from autoscaler.instrumentation.kubernetes_events import KubernetesEvents, Subject
from autoscaler.kubernetes.cluster import Cluster as ScalerCluster
from autoscaler.kubernetes.cluster import make_cluster
from autoscaler.kubernetes.resources import Reference
from autoscaler.leadership.standing import Leadership
from autoscaler.loop import RuleLoop
from autoscaler.settings import ScalerSettings
from autoscaler.targets.kubernetes import KubernetesTarget, PodsWanted
from rulebook.observation import Value
from rulebook.rule import ScalingRule
from tests.autoscaler.fakes import (
    START_S,
    FakeSource,
    FakeWriter,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
)
from tests.autoscaler.kubernetes_api.cluster import CUSTOM_GROUP, CUSTOM_KIND, Cluster

NO_WINDOW = {"scaleDown": {"stabilizationWindowSeconds": 0}}
"""Scaling down at once, so that a test sees what a decision would do."""


def settings_for(kubeconfig: Path, **changes: Any) -> ScalerSettings:
    """Settings which name a cluster; the limit is high, as tests hurry."""
    limits = {"kubernetes_qps": 500.0, "kubernetes_burst": 500}
    return ScalerSettings(rules=(Path("rules"),), kubeconfig=kubeconfig, **{**limits, **changes})


def reference_to(cluster: Cluster, name: str, kind: str = "Deployment") -> Reference:
    api = f"{CUSTOM_GROUP}/v1" if kind == CUSTOM_KIND else "apps/v1"
    return Reference(api, kind, cluster.namespace, name)


def rule_for(cluster: Cluster, name: str, kind: str = "Deployment", **spec: Any) -> ScalingRule:
    """A rule of 10 a replica, from 1 to 10 replicas, which scales down at once."""
    reference = reference_to(cluster, name, kind)
    target = {"apiVersion": reference.api_version, "kind": kind, "namespace": cluster.namespace, "name": name}
    return make_rule(**{"target": target, "behavior": NO_WINDOW, **spec})


class Bench:
    """One target in a cluster and what a loop over it needs: its signal stands at `load` until it is set."""

    def __init__(
        self, cluster: Cluster, scaler: ScalerCluster, recorder: Recorder, target: KubernetesTarget
    ) -> None:
        self.cluster = cluster
        self.scaler = scaler
        self.recorder = recorder
        self.target = target
        self.clock = ManualClock()
        self.writer = FakeWriter()
        self.source: FakeSource[object] = FakeSource(Value(20.0, START_S))

    def load(self, value: float) -> None:
        """Let the signal be so high: 10 is what one replica takes."""
        self.source.reading = Value(value, self.clock.now_s())

    def loop(self, rule: ScalingRule, leadership: Leadership | None = None) -> RuleLoop:
        return make_loop(
            rule,
            target=self.target,
            clock=self.clock,
            recorder=self.recorder,
            writer=self.writer,
            exposition=self.source,
            leadership=leadership,
        )

    async def evaluate(self, loop: RuleLoop) -> None:
        """Make a round, and let an interval pass."""
        await loop.evaluate()
        self.clock.advance(loop.status.interval_s)


@asynccontextmanager
async def open_bench(
    cluster: Cluster,
    name: str,
    kind: str = "Deployment",
    *,
    token: str | None = None,
    pods_wanted: PodsWanted | None = None,
    check: Callable[[], None] | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """Open a target as an account which may everything, or as the one whose token is given."""
    recorder = Recorder()
    kubeconfig = cluster.kubeconfig(token or await cluster.admin_token())
    scaler = make_cluster(settings_for(kubeconfig, **settings), SystemClock(), recorder)
    target = KubernetesTarget(scaler, reference_to(cluster, name, kind), pods_wanted=pods_wanted, check=check)
    try:
        yield Bench(cluster, scaler, recorder, target)
    finally:
        await target.stop()
        await scaler.close()


@asynccontextmanager
async def open_events(bench: Bench, rule: ScalingRule) -> AsyncIterator[Instruments]:
    """Write Events about the target of a bench; returns what a loop is to record with."""
    instruments = Instruments((bench.recorder,))
    events = KubernetesEvents(instruments)
    instruments.add(events)
    async with events.writing(bench.scaler):
        events.follow(Subject(rule, bench.target.reference, lambda: bench.target.uid))
        yield instruments
