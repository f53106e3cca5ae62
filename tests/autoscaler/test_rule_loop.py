"""One rule's loop: rounds on a grid, decisions carried out, and nothing that stops it."""

import asyncio

import pytest

from autoscaler.admission import AdmissionTarget
from autoscaler.errors import StoreUnavailable, TargetError
from autoscaler.instrumentation.events import Event, RoundEnded, RuleScaled, StepFailed
from autoscaler.instrumentation.instruments import Instruments
from rulebook.decision import Decision
from rulebook.memory import Memory
from rulebook.observation import Crowd, Missing, Observation, Value
from rulebook.rule import ScalingRule
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


def busy(value: float) -> FakeSource[object]:
    return FakeSource(Value(value, START_S))


async def test_a_round_scales_the_target_to_what_was_decided(clock: ManualClock, recorder: Recorder) -> None:
    target = FakeTarget(replicas=2)
    loop = make_loop(make_rule(), target=target, clock=clock, recorder=recorder, exposition=busy(35))
    await loop.evaluate()
    assert target.scaled == [4]
    (scaled,) = recorder.of(RuleScaled)
    assert (scaled.before, scaled.after) == (2, 4)
    assert recorder.of(RoundEnded) == [RoundEnded("web", True, START_S, 0.0)]


async def test_what_nobody_foresaw_ends_the_round_and_not_the_loop(
    clock: ManualClock, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FakeTarget(replicas=2)
    loop = make_loop(make_rule(), target=target, clock=clock, recorder=recorder, exposition=busy(35))
    with monkeypatch.context() as patch:
        patch.setattr("autoscaler.rounds.decided_conditions", lambda *_, **__: 1 / 0)
        await loop.evaluate()
    assert [(failure.step, failure.error) for failure in recorder.of(StepFailed)] == [
        ("round", "division by zero")
    ]
    assert not recorder.of(RoundEnded)[0].ok
    await loop.evaluate()
    assert target.scaled == [4]


def test_an_instrument_that_raises_keeps_no_other_from_hearing(recorder: Recorder) -> None:
    class Broken:
        def record(self, event: Event) -> None:
            raise RuntimeError("full")

    Instruments([Broken(), recorder]).record(RoundEnded("web", True, 0.0, 0.0))
    assert recorder.of(RoundEnded) == [RoundEnded("web", True, 0.0, 0.0)]


async def test_a_target_that_has_what_it_needs_is_left_alone(clock: ManualClock, recorder: Recorder) -> None:
    target = FakeTarget(replicas=2)
    loop = make_loop(make_rule(), target=target, clock=clock, recorder=recorder, exposition=busy(20))
    await loop.evaluate()
    assert target.scaled == []


async def test_a_dry_run_writes_nothing(clock: ManualClock, recorder: Recorder) -> None:
    target, writer = FakeTarget(), FakeWriter()
    rule = make_rule(dry_run=True, admission=ADMISSION)
    loop = make_loop(rule, target=target, writer=writer, clock=clock, recorder=recorder, exposition=busy(90))
    await loop.evaluate()
    assert (target.scaled, writer.targets) == ([], [])
    decision = loop.status.decision
    assert decision is not None
    assert decision.bound_by == "dryRun"


async def test_only_a_change_that_worked_is_remembered(clock: ManualClock, recorder: Recorder) -> None:
    target = FakeTarget()
    policies = {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]}
    rule = make_rule(behavior={"scaleUp": policies})

    async def refuse(replicas: int) -> None:
        raise TargetError("no ports left")

    loop = make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=busy(60))
    working, target.scale = target.scale, refuse  # type: ignore[method-assign]
    await loop.evaluate()
    assert loop.memory.scale_up_events == ()
    target.scale = working  # type: ignore[method-assign]
    await loop.evaluate()
    assert [event.change for event in loop.memory.scale_up_events] == [4]


async def test_the_admission_target_follows_ready_replicas(clock: ManualClock, recorder: Recorder) -> None:
    writer, rule = FakeWriter(), make_rule(admission=ADMISSION)
    loop = make_loop(rule, target=FakeTarget(replicas=2), writer=writer, clock=clock, recorder=recorder)
    await loop.evaluate()
    (target,) = writer.targets
    assert (target.onsale, target.rule, target.rate_per_s, target.capacity) == ("cactus", "web", 10.0, 600)
    assert target.validity_s == 15 + 2 * 15


async def test_a_rule_without_admission_writes_none(clock: ManualClock, recorder: Recorder) -> None:
    writer = FakeWriter()
    loop = make_loop(make_rule(), target=FakeTarget(), writer=writer, clock=clock, recorder=recorder)
    await loop.evaluate()
    assert writer.targets == []


async def test_equal_queries_are_asked_once(clock: ManualClock, recorder: Recorder) -> None:
    source = busy(20)
    signals = [
        {"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 10.0},
        {"name": "again", "exposition": {"gauge": "busy"}, "target": 5.0},
        {"name": "other", "exposition": {"gauge": "other"}, "target": 5.0},
    ]
    rule = make_rule(signals=signals)
    loop = make_loop(rule, target=FakeTarget(), clock=clock, recorder=recorder, exposition=source)
    await loop.evaluate()
    assert [len(asked) for asked in source.asked] == [2]
    assert set(loop.status.answers) == {"busy", "again", "other"}


@pytest.mark.parametrize("on_missing", ["hold", "ignore", "fail"])
async def test_missing_data_never_scales_down(
    clock: ManualClock, recorder: Recorder, on_missing: str
) -> None:
    target, source = FakeTarget(replicas=8), FakeSource[object](Missing("gone"))
    signals = [{"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 10.0, "onMissing": on_missing}]
    window = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    rule = make_rule(signals=signals, behavior=window)
    loop = make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=source)
    for _ in range(50):
        await loop.evaluate()
        clock.advance(15)
    assert target.scaled == []
    source.reading = Value(20.0, clock.now_s())
    await loop.evaluate()
    assert target.scaled == [2]


async def test_one_missing_signal_holds_what_another_would_take_away(
    clock: ManualClock, recorder: Recorder
) -> None:
    signals = [
        {"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 10.0},
        {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": 60.0}, "perReplica": 5.0},
    ]
    rule = make_rule(signals=signals, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    target, room = FakeTarget(replicas=8), FakeSource[object](Missing("the store is down"))
    loop = make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=busy(10), room=room)
    await loop.evaluate()
    assert target.scaled == []
    room.reading = Crowd(clock.now_s(), arrivals_per_s=2.0, backlog=0)
    await loop.evaluate()
    assert target.scaled == [1]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param("read target", TargetError("cannot be told"), id="the target cannot be read"),
        pytest.param("write admission", StoreUnavailable("store: gone"), id="the store is down"),
        pytest.param("decide", ZeroDivisionError("division by zero"), id="the decision breaks"),
    ],
)
async def test_a_failure_is_recorded_and_the_next_round_works(
    clock: ManualClock, recorder: Recorder, step: str, error: Exception
) -> None:
    from rulebook.decision import decide

    target, writer, broken = FakeTarget(), FakeWriter(), [True]

    def decide_or_break(rule: ScalingRule, seen: Observation, memory: Memory, now_s: float) -> Decision:
        if step == "decide" and broken:
            raise error
        return decide(rule, seen, memory, now_s)

    loop = make_loop(
        make_rule(admission=ADMISSION),
        target=target,
        writer=writer,
        clock=clock,
        recorder=recorder,
        decide_by=decide_or_break,
    )
    target.error = error if step == "read target" else None
    writer.error = error if step == "write admission" else None
    await loop.evaluate()
    assert loop.status.failures == (StepFailed("web", step, str(error), START_S),)
    assert (loop.status.last_success_at_s, loop.status.rounds) == (None, 1)
    target.error = writer.error = None
    broken.clear()
    clock.advance(15)
    await loop.evaluate()
    assert loop.status.last_success_at_s == START_S + 15
    assert len(writer.targets) == 1


async def test_a_source_that_breaks_leaves_only_its_own_signals_missing(
    clock: ManualClock, recorder: Recorder
) -> None:
    signals = [
        {"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 10.0},
        {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": 60.0}, "perReplica": 5.0},
    ]
    room = FakeSource[object](RuntimeError("a mistake"))
    target = FakeTarget()
    loop = make_loop(
        make_rule(signals=signals),
        target=target,
        clock=clock,
        recorder=recorder,
        exposition=busy(40),
        room=room,
    )
    await loop.evaluate()
    assert loop.status.answers["crowd"].reading == Missing("RuntimeError: a mistake")
    assert target.scaled == [4]


async def test_a_refused_admission_target_is_no_success(clock: ManualClock, recorder: Recorder) -> None:
    writer = FakeWriter()
    writer.accepts = False
    rule = make_rule(admission=ADMISSION)
    loop = make_loop(rule, target=FakeTarget(), writer=writer, clock=clock, recorder=recorder)
    await loop.evaluate()
    assert (loop.status.rounds, loop.status.last_success_at_s) == (1, None)


async def test_rounds_stay_on_their_grid_however_long_each_takes(
    clock: ManualClock, recorder: Recorder
) -> None:
    class SlowWriter(FakeWriter):
        async def write(self, target: AdmissionTarget):  # type: ignore[no-untyped-def]
            clock.advance(4)
            return await super().write(target)

    rule = make_rule(admission=ADMISSION)
    loop = make_loop(rule, target=FakeTarget(), writer=SlowWriter(), clock=clock, recorder=recorder)
    running = asyncio.create_task(loop.run())
    for turn in range(1, 5):
        await until(lambda turn=turn: clock.sleeping_until_s == [15 * turn])  # type: ignore[misc]
        clock.advance(15 * turn - clock.monotonic_s())
    running.cancel()
    assert [round(event.at_s - START_S) for event in recorder.of(RoundEnded)] == [4, 19, 34, 49]


async def test_a_round_that_takes_too_long_skips_the_points_it_missed(
    clock: ManualClock, recorder: Recorder
) -> None:
    class SlowTarget(FakeTarget):
        async def current(self):  # type: ignore[no-untyped-def]
            clock.advance(40)
            return await super().current()

    loop = make_loop(make_rule(), target=SlowTarget(), clock=clock, recorder=recorder)
    running = asyncio.create_task(loop.run())
    await until(lambda: clock.sleeping_until_s == [45])
    running.cancel()
