"""Every change of readiness rewrites the admission target at once, between two rounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from autoscaler.instrumentation.events import StepFailed
from autoscaler.loop import FOLLOW_RETRY_S, RuleLoop
from rulebook.observation import Value
from tests.autoscaler.fakes import (
    START_S,
    FakeSource,
    FakeTarget,
    FakeWriter,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
    until,
)

ADMISSION = {"onsale": "cactus", "perReadyReplica": 5.0, "sessionsPerReadyReplica": 300}
SLOW = {**ADMISSION, "slow": {"signal": "busy", "above": 30.0}}


@asynccontextmanager
async def following(loop: RuleLoop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget(replicas=4)


async def test_a_lost_replica_lowers_the_rate_without_a_round(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder
) -> None:
    source = FakeSource[object](Value(40.0, START_S))
    rule = make_rule(admission=ADMISSION)
    loop = make_loop(rule, target=target, writer=writer, clock=clock, recorder=recorder, exposition=source)
    async with following(loop):
        await loop.evaluate()
        target.become(ready=1)
        await until(lambda: len(writer.targets) == 2)
    before, after = writer.targets
    assert (before.rate_per_s, before.capacity) == (20.0, 1200)
    assert (after.rate_per_s, after.capacity) == (5.0, 300)
    assert after.reason == "1 ready x 5/s, 4 at the last decision"
    assert loop.status.rounds == len(source.asked) == 1


async def test_the_factor_of_the_last_decision_goes_with_the_new_count(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder
) -> None:
    source = FakeSource[object](Value(40.0, START_S))
    rule = make_rule(admission=SLOW)
    loop = make_loop(rule, target=target, writer=writer, clock=clock, recorder=recorder, exposition=source)
    async with following(loop):
        await loop.evaluate()
        target.become(ready=2)
        await until(lambda: len(writer.targets) == 2)
    before, after = writer.targets
    assert before.rate_per_s == pytest.approx(20 * 0.8)
    assert after.rate_per_s == pytest.approx(10 * 0.8)
    assert before.reason == "shop slow: busy 40 > 30, factor 0.8, 4 ready x 5/s"
    assert after.reason == "shop slow: busy 40 > 30, factor 0.8, 2 ready x 5/s, 4 at the last decision"


async def test_before_the_first_decision_there_is_nothing_to_rewrite(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder
) -> None:
    loop = make_loop(
        make_rule(admission=ADMISSION), target=target, writer=writer, clock=clock, recorder=recorder
    )
    async with following(loop):
        target.become(ready=3)
        await until(lambda: loop.status.state is not None and loop.status.state.ready == 3)
    assert writer.targets == []


async def test_a_decision_that_is_too_old_is_not_kept_in_force(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder
) -> None:
    loop = make_loop(
        make_rule(admission=ADMISSION), target=target, writer=writer, clock=clock, recorder=recorder
    )
    async with following(loop):
        await loop.evaluate()
        clock.advance(46)
        target.become(ready=3)
        await until(lambda: loop.status.state is not None and loop.status.state.ready == 3)
    assert [written.rate_per_s for written in writer.targets] == [20.0]


@pytest.mark.parametrize("by_s", [-3600.0, 3600.0])
async def test_a_corrected_clock_makes_no_decision_older_or_younger(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder, by_s: float
) -> None:
    loop = make_loop(
        make_rule(admission=ADMISSION), target=target, writer=writer, clock=clock, recorder=recorder
    )
    async with following(loop):
        await loop.evaluate()
        clock.correct(by_s)
        target.become(ready=3)
        await until(lambda: len(writer.targets) == 2)
        clock.advance(46)
        target.become(ready=2)
        await until(lambda: loop.status.state is not None and loop.status.state.ready == 2)
    assert [written.rate_per_s for written in writer.targets] == [20.0, 15.0]


async def test_a_round_writes_the_readiness_of_its_end_not_of_its_beginning(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder
) -> None:
    class LosingReplicas(FakeSource[object]):
        async def read(self, queries, replicas, deadline_s):  # type: ignore[no-untyped-def]
            target.become(ready=2)
            await until(lambda: loop.status.state is not None and loop.status.state.ready == 2)
            return await super().read(queries, replicas, deadline_s)

    source = LosingReplicas(Value(40.0, START_S))
    rule = make_rule(admission=ADMISSION)
    loop = make_loop(rule, target=target, writer=writer, clock=clock, recorder=recorder, exposition=source)
    async with following(loop):
        await loop.evaluate()
    assert writer.targets[-1].rate_per_s == 10.0


async def test_a_watch_that_breaks_is_begun_again(
    target: FakeTarget, writer: FakeWriter, clock: ManualClock, recorder: Recorder
) -> None:
    loop = make_loop(
        make_rule(admission=ADMISSION), target=target, writer=writer, clock=clock, recorder=recorder
    )
    async with following(loop):
        await loop.evaluate()
        target.break_watch()
        await until(lambda: clock.sleeping_until_s == [FOLLOW_RETRY_S])
        assert recorder.of(StepFailed) == [StepFailed("web", "watch target", "the watch broke", START_S)]
        clock.advance(FOLLOW_RETRY_S)
        target.become(ready=1)
        await until(lambda: writer.targets[-1].rate_per_s == 5.0)
