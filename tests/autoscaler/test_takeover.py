"""A new leader marks its targets: hundreds within the usual limit, and a predecessor that thaws finds out by the marks."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.errors import LaterTerm
from autoscaler.instrumentation.events import StepFailed
from autoscaler.instrumentation.remarks import remarks_on
from autoscaler.kubernetes.cluster import make_cluster
from autoscaler.loop import RuleLoop
from autoscaler.settings import ScalerSettings
from autoscaler.targets.base import TargetState
from autoscaler.targets.kubernetes import KubernetesTarget
from rulebook.observation import Value
from tests.autoscaler.clusters import NO_WINDOW, open_bench, reference_to, rule_for, settings_for
from tests.autoscaler.fakes import (
    START_S,
    Elected,
    FakeSource,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
)
from tests.autoscaler.kubernetes_api.cluster import EVERYTHING, Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real
from tests.autoscaler.test_acting import SharedTarget
from tests.autoscaler.test_kubernetes_target_faults import (
    FOLLOW,
    GET_SCALE,
    RIVALS,
    UPDATE_SCALE,
    able,
    last_error,
    rights,
)

__all__ = ["kubernetes", "little", "real"]

RULES = 300
FAST = 5.0


class FastClock:
    """Time that runs so many times as fast."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic() * FAST

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / FAST)


def asked(cluster: Cluster, verb: str) -> int:
    """How often the scaler has asked for this with a Deployment itself."""
    record = cluster.server.access.record
    return sum(
        (wanted.verb, wanted.resource, wanted.subresource) == (verb, "deployments", "")
        for user, wanted in record
        if "system:masters" not in user.groups
    )


async def test_each_round_after_a_takeover_brings_more_of_hundreds_of_rules_to_work(little: Cluster) -> None:
    for number in range(RULES):
        await little.deploy(f"web-{number}", 0)
    kubeconfig = little.kubeconfig(await little.account("scaler", EVERYTHING))
    limits = ScalerSettings(rules=(Path("rules"),))
    settings = settings_for(
        kubeconfig, kubernetes_qps=limits.kubernetes_qps, kubernetes_burst=limits.kubernetes_burst
    )
    scaler, clock, recorder = make_cluster(settings, FastClock(), Recorder()), ManualClock(), Recorder()
    leadership, source = Elected(clock, 1), FakeSource[object](Value(0.0, START_S))
    targets = [KubernetesTarget(scaler, reference_to(little, f"web-{number}")) for number in range(RULES)]
    loops = [
        make_loop(
            rule_for(little, f"web-{number}", interval=15.0 / FAST, replicas={"min": 0, "max": 9}),
            target=target, clock=clock, recorder=recorder, exposition=source, leadership=leadership,
        )
        for number, target in enumerate(targets)
    ]  # fmt: skip
    try:
        at_work = 0
        while at_work < RULES:
            began_s = time.monotonic()
            await asyncio.gather(*(loop.evaluate() for loop in loops))
            before, at_work = at_work, sum(loop.status.last_success_at_s is not None for loop in loops)
            assert at_work > before
            await asyncio.sleep(max(began_s + 15.0 / FAST - time.monotonic(), 0.0))
        # Two rounds where the server is as quick as the limit; what counts is that each mark is one request.
        assert asked(little, "patch") + asked(little, "get") < 1.2 * RULES
    finally:
        for target in targets:
            await target.stop()
        await scaler.close()


async def test_what_the_watch_knows_is_marked_without_asking(little: Cluster) -> None:
    await little.deploy("web", 2)
    await little.until_ready("web", 2)
    async with open_bench(little, "web") as bench:
        await bench.target.fence(7)
        state = await bench.target.current()
        await bench.target.fence(7)
        assert (asked(little, "patch"), asked(little, "get"), state.term) == (1, 0, 7)
        await bench.target.scale(
            3, state
        )  # the version is that of the mark, whether the watch has told of it or not
        assert await little.replicas("web") == 3


async def test_a_mark_on_what_the_watch_has_not_told_yet_is_made_on_what_stands_there(
    little: Cluster,
) -> None:
    await little.deploy("web", 2)
    await little.until_ready("web", 2)
    async with open_bench(little, "web") as bench:
        await bench.target.current()
        copy = bench.target._object
        assert copy is not None
        copy._apply = lambda kind, item: None  # type: ignore[method-assign]
        await little.scale("web", 5)
        await little.until_ready("web", 5)
        await bench.target.fence(7)
        assert (asked(little, "patch"), asked(little, "get")) == (2, 1)
        assert (await bench.target.current()).replicas == 5


MARK = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}


@pytest.mark.parametrize(
    ("allowed", "missing", "reason"),
    [
        ((GET_SCALE, UPDATE_SCALE, FOLLOW, RIVALS), "patch", "FailedUpdateScale"),
        ((), "list", "FailedGetScale"),
    ],
)
async def test_a_lack_of_a_right_is_told_by_who_was_elected_too(
    kubernetes: Cluster, allowed: Sequence[dict[str, list[str]]], missing: str, reason: str
) -> None:
    await kubernetes.deploy("web", 4)
    async with open_bench(kubernetes, "web", token=await rights(kubernetes, "scaler", *allowed)) as bench:
        rule = rule_for(kubernetes, "web")
        loop = bench.loop(rule, Elected(bench.clock, 1))
        bench.load(60)
        await bench.evaluate(loop)
        assert (await kubernetes.replicas("web"), able(loop)) == (4, (False, reason))
        assert f'cannot {missing} resource "deployments"' in last_error(loop)
        assert any(
            f'cannot {missing} resource "deployments"' in message
            for event in bench.recorder.events
            for _, _, message in remarks_on(event, rule)
        )


async def test_a_target_that_is_not_there_is_told_by_who_was_elected_too(kubernetes: Cluster) -> None:
    token = await rights(kubernetes, "scaler", GET_SCALE, UPDATE_SCALE, FOLLOW, RIVALS, MARK)
    async with open_bench(kubernetes, "web", token=token) as bench:
        loop = bench.loop(rule_for(kubernetes, "web"), Elected(bench.clock, 1))
        bench.load(60)
        await bench.evaluate(loop)
        assert able(loop) == (False, "FailedGetScale")
        assert 'deployments.apps "web" not found' in last_error(loop)
        await kubernetes.deploy("web", 4)
        await kubernetes.until_ready("web", 4)
        await bench.evaluate(loop)
        assert await kubernetes.replicas("web") == 6


class MarkedTarget(SharedTarget):
    """A target which tells whose mark it bears; a successor of term 2 puts its own there on a sign of the test."""

    succeeds_during_write = False

    def _set(self, replicas: int, by: str) -> None:
        term = self.state.term
        super()._set(replicas, by)
        self.state = replace(self.state, term=term)

    def mark(self, term: int) -> None:
        self._set(self.state.replicas, self.state.set_by)
        self.state = replace(self.state, term=term)

    async def fence(self, term: int) -> None:
        if self.state.term > term:
            raise LaterTerm(f"a leader of term {self.state.term} has taken over", self.state.term)
        if self.state.term < term:
            self.mark(term)

    async def scale(self, replicas: int, decided_on: TargetState | None = None) -> None:
        if self.succeeds_during_write:
            self.succeeds_during_write = False
            self.mark(2)
        await super().scale(replicas, decided_on)


def suspended(target: MarkedTarget, clock: ManualClock, recorder: Recorder) -> tuple[RuleLoop, Elected]:
    """A leader of term 1 whose monotonic clock stood still while its lease ran out: it still holds itself for the leader."""
    leadership, rule = Elected(clock, 1), make_rule(behavior=NO_WINDOW)
    source = FakeSource[object](Value(30.0, START_S))
    loop = make_loop(
        rule, target=target, clock=clock, recorder=recorder, exposition=source, leadership=leadership
    )
    leadership.lost = True
    return loop, leadership


async def test_a_write_that_meets_a_successors_mark_is_not_made_again(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = MarkedTarget(9)
    loop, _ = suspended(target, clock, recorder)
    target.succeeds_during_write = True
    for _ in range(2):
        await loop.evaluate()
    assert (len(target.writes), target.scaled, target.state.replicas) == (1, [], 9)
    assert {failure.step for failure in recorder.of(StepFailed)} == {"fence"}
    assert last_error(loop) == "not leading: a leader of term 2 has taken over"


async def test_nothing_is_written_on_a_version_that_bears_a_successors_mark(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = MarkedTarget(3)
    loop, _ = suspended(target, clock, recorder)
    await loop.evaluate()
    target.mark(2)
    target.state = replace(target.state, replicas=9, version="20")
    for _ in range(4):
        await loop.evaluate()
    assert (target.writes, target.state.replicas) == ([], 9)
    assert last_error(loop) == "not leading: a leader of term 2 has taken over"


async def test_who_holds_the_lease_outbids_a_mark_that_was_found_late(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = MarkedTarget(9)
    loop, leadership = suspended(target, clock, recorder)
    leadership.lost, target.succeeds_during_write = False, True
    for _ in range(2):
        await loop.evaluate()
    assert (leadership.term, target.scaled, target.state.term) == (3, [3], 3)


async def test_marks_of_an_election_that_is_over_do_not_keep_a_scaler_which_is_alone_from_scaling(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = MarkedTarget(9)
    target.mark(5)
    rule, source = make_rule(behavior=NO_WINDOW), FakeSource[object](Value(30.0, START_S))
    await make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=source).evaluate()
    assert target.scaled == [3]
