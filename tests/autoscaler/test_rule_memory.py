"""A rule's memory over restarts, takeovers, clocks that are corrected and keepers that are away (P10)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from autoscaler.errors import StoreUnavailable
from autoscaler.instrumentation.events import ClockCorrected, StepFailed
from autoscaler.keeping.keeping import Keeping
from autoscaler.keeping.rulememory import ASK_AGAIN_S, RuleMemory
from autoscaler.loop import RuleLoop
from autoscaler.targets.base import TargetState
from rulebook.kept import read_kept
from rulebook.observation import Value
from rulebook.rule import ScalingRule
from tests.autoscaler.fakes import (
    FakeKeeper,
    FakeSource,
    FakeTarget,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
    until,
)

BEHAVIOUR = {
    "scaleDown": {
        "stabilizationWindowSeconds": 60,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 300}],
    }
}


class Process:
    """A scaler process with one rule: what it keeps outlives it, what it is told of the load comes from the test."""

    def __init__(self, clock: ManualClock, keeper: FakeKeeper, target: FakeTarget, rule: ScalingRule) -> None:
        self.clock, self.keeper, self.target = clock, keeper, target
        self.recorder = Recorder()
        self.keeping = Keeping(keeper, clock=clock, term=lambda: self.term)
        self.term = 1
        self.memory = RuleMemory(rule, clock, self.keeping)
        self.source: FakeSource[Any] = FakeSource(Value(20.0, clock.now_s()))
        self.loop: RuleLoop = make_loop(
            rule,
            target=target,
            clock=clock,
            recorder=self.recorder,
            exposition=self.source,
            memory=self.memory,
        )

    async def round(self, busy: float, later_s: float = 15.0) -> int:
        """Make a round after a while, and have its memory kept; gives the replicas it left."""
        self.clock.advance(later_s)
        self.source.reading = Value(busy, self.clock.now_s())
        await self.loop.evaluate()
        await self.keeping.flush()
        return self.target.state.replicas


@pytest.fixture
def keeper() -> FakeKeeper:
    return FakeKeeper()


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget(replicas=8)


@asynccontextmanager
async def started(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget, **spec: Any
) -> AsyncIterator[Process]:
    process = Process(clock, keeper, target, make_rule(**{"behavior": BEHAVIOUR, **spec}))
    await process.memory.recall()
    yield process
    await process.memory.close()


async def test_a_rule_that_remembers_nothing_lets_nothing_fall_for_a_window(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        assert await process.round(busy=10) == 8
        decision = process.loop.status.decision
        assert decision is not None
        assert decision.bound_by == "start"
        assert process.loop.status.memory.origin == "nothing was kept"
        assert await process.round(busy=10, later_s=299) == 8
        assert await process.round(busy=10, later_s=1) == 7


async def test_a_restart_goes_on_with_windows_and_policies_as_if_nothing_had_been(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        assert await process.round(busy=80) == 8
        await process.round(busy=10, later_s=295)
        assert await process.round(busy=10, later_s=45) == 7  # one within five minutes
    async with started(clock, keeper, target) as process:
        assert process.loop.status.memory.origin.startswith("recalled, ")
        assert process.memory.replicas == 7
        assert await process.round(busy=10, later_s=15) == 7
        decision = process.loop.status.decision
        assert decision is not None
        assert decision.bound_by == "policies"
        assert await process.round(busy=10, later_s=285) == 6


async def test_a_gap_in_what_is_remembered_counts_as_a_start(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
    clock.advance(3600)
    async with started(clock, keeper, target) as process:
        assert await process.round(busy=10) == 8
        decision = process.loop.status.decision
        assert decision is not None
        assert decision.bound_by == "start"


async def test_a_successor_whose_clock_is_wrong_takes_the_past_for_as_long_ago_as_it_was(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
        kept = read_kept(keeper.texts[process.memory.key]).memory
    keeper.age_s = 10.0
    for wrong_s in (-7200.0, 7200.0):
        clock.correct(wrong_s)
        async with started(clock, keeper, target) as process:
            (before,), (after,) = kept.recommendations, process.memory.value.recommendations
            assert after.replicas == before.replicas
            assert after.at_s == pytest.approx(clock.now_s() - 10.0)


async def test_what_a_keeper_without_a_clock_kept_is_never_in_the_future(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
    clock.correct(-7200.0)
    async with started(clock, keeper, target) as process:
        assert max(entry.at_s for entry in process.memory.value.recommendations) <= clock.now_s()


@pytest.mark.parametrize("by_s", [-86_400.0, -90.0, 90.0, 86_400.0])
async def test_a_corrected_clock_neither_frees_nor_freezes(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget, by_s: float
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
        await process.round(busy=80, later_s=300)
        assert await process.round(busy=80) == 8
        clock.correct(by_s)
        assert await process.round(busy=10) == 8
        assert process.recorder.of(ClockCorrected) == [ClockCorrected("web", pytest.approx(by_s))]
        assert await process.round(busy=10, later_s=30) == 8
        assert (
            await process.round(busy=10, later_s=15) == 7
        )  # a minute after the rush, as with a steady clock


async def test_a_clock_that_drifts_is_not_taken_for_corrected(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        for _ in range(5):
            clock.correct(0.4)
            await process.round(busy=80)
        assert process.recorder.of(ClockCorrected) == []


async def test_a_keeper_away_at_the_start_is_asked_again_and_heard_late(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    target.state = TargetState(5, 5, ())
    async with started(clock, keeper, target) as process:
        assert await process.round(busy=80) == 8
        before = dict(keeper.texts)
    keeper.error = StoreUnavailable("store: gone")
    async with started(clock, keeper, target) as process:
        assert await process.round(busy=10) == 8
        assert process.loop.status.memory.origin == "cannot be recalled: store: gone"
        keeper.error = None
        await process.keeping.flush()
        assert keeper.texts == before, "nothing is written over what has not been read"
        await until(lambda: bool(clock.sleeping_until_s))
        clock.advance(ASK_AGAIN_S)
        await until(lambda: process.memory.recalled)
        assert [entry.replicas for entry in process.memory.value.recommendations] == [8, 1]
        assert process.memory.value.scale_up_events
        assert await process.round(busy=10, later_s=1) == 8
        assert keeper.texts != before


async def test_a_keeper_that_goes_away_in_mid_run_stops_nothing_and_is_told(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
        await process.round(busy=80, later_s=300)
        keeper.error = StoreUnavailable("store: gone")
        assert await process.round(busy=80) == 8
        assert await process.round(busy=10, later_s=59) == 8
        assert await process.round(busy=10, later_s=1) == 7  # it goes on with what it has
        assert process.loop.status.memory.error == "store: gone"
        assert StepFailed("web", "keep memory", "store: gone", clock.now_s()) in process.recorder.of(
            StepFailed
        )
        keeper.error = None
        assert await process.round(busy=10) == 7
        assert process.loop.status.memory.error == ""
        assert read_kept(keeper.texts[process.memory.key]).replicas == 7


async def test_a_scale_down_is_kept_before_it_is_written(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
        await process.round(busy=80, later_s=300)
        clock.advance(60)
        process.source.reading = Value(10.0, clock.now_s())
        target.error_on_scale = RuntimeError("killed in mid-write")
        await process.loop.evaluate()
        kept = read_kept(keeper.texts[process.memory.key])
        assert [event.change for event in kept.memory.scale_down_events] == [1]
        assert process.memory.value.scale_down_events == (), "what did not happen is not remembered here"


async def test_a_predecessor_who_comes_back_keeps_nothing_and_says_so(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        await process.round(busy=80)
        kept, keeper.term = dict(keeper.texts), 2
        await process.round(busy=80)
        assert keeper.texts == kept
        assert process.loop.status.memory.error == "another scaler has written it in term 2"


async def test_what_cannot_be_understood_counts_as_nothing_and_is_told(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        keeper.texts[process.memory.key] = '{"version": 99}'
    async with started(clock, keeper, target) as process:
        assert process.loop.status.memory.origin == "what was kept cannot be used: not of version 1"
        assert await process.round(busy=10) == 8


async def test_a_dry_run_of_the_scaler_keeps_nothing(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    keeping = Keeping(keeper, clock=clock, term=lambda: 1, writes=False)
    memory = RuleMemory(make_rule(), clock, keeping)
    memory.keep(memory.value, 3)
    await keeping.save_now(memory, memory.text())
    assert await keeping.flush()
    assert keeper.saves == 0


async def test_memories_are_kept_in_the_background_and_a_last_time_at_the_end(
    clock: ManualClock, keeper: FakeKeeper, target: FakeTarget
) -> None:
    async with started(clock, keeper, target) as process:
        async with process.keeping.running():
            await process.loop.evaluate()
            await asyncio.sleep(0)
        assert process.memory.key in keeper.texts
