"""What a loop does about a target which others change too: nothing stale is written, and nobody's change is undone at once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from autoscaler.conditions import Condition
from autoscaler.errors import Conflict, Forbidden, Unreachable
from autoscaler.instrumentation.events import (
    ConditionChanged,
    ManualScale,
    RuleScaled,
    ScaleConflict,
    StepFailed,
)
from autoscaler.keeping.rulememory import RuleMemory
from autoscaler.loop import RuleLoop
from autoscaler.rounds import DECIDE_TRIES
from autoscaler.status import status_json
from autoscaler.targets.base import OURS, TargetState
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
)

NO_WINDOW = {"scaleDown": {"stabilizationWindowSeconds": 0}}


class SharedTarget(FakeTarget):
    """A target whose count others may set between a reading and a writing; each change has a version of its own."""

    def __init__(self, replicas: int, others: Sequence[int] = ()) -> None:
        super().__init__(replicas)
        self.others = list(others)
        self.writes: list[tuple[int, str]] = []
        self.loses_answers = False
        self._set(replicas, "")

    def _set(self, replicas: int, by: str) -> None:
        version = str(int(self.state.version or "0") + 1)
        self.state = TargetState(replicas, replicas, (), version=version, set_by=by)

    def set_by_hand(self, replicas: int, by: str = "kubectl") -> None:
        self._set(replicas, by)

    async def scale(self, replicas: int, decided_on: TargetState | None = None) -> None:
        assert decided_on is not None
        if self.error is not None:
            raise self.error
        if self.others:
            self._set(self.others.pop(0), "kubectl")
        self.writes.append((replicas, decided_on.version))
        if decided_on.version != self.state.version:
            raise Conflict("changed")
        self._set(replicas, "tidegate")
        self.scaled.append(replicas)
        if self.loses_answers:
            raise Unreachable("no answer")


def loop_of(target: SharedTarget, clock: ManualClock, recorder: Recorder, load: float = 40) -> RuleLoop:
    source: FakeSource[object] = FakeSource(Value(load, START_S))
    rule = make_rule(behavior=NO_WINDOW)
    return make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=source)


def condition_of(loop: RuleLoop, kind: str) -> Condition:
    (found,) = (condition for condition in loop.status.conditions if condition.type == kind)
    return found


async def test_every_write_carries_the_version_it_was_decided_on(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(2)
    await loop_of(target, clock, recorder).evaluate()
    assert target.writes == [(4, "1")]


async def test_a_change_before_the_write_is_read_and_decided_on_again(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(2, others=[2])
    loop = loop_of(target, clock, recorder)
    await loop.evaluate()
    assert target.writes == [(4, "1"), (4, "2")]
    assert recorder.of(ScaleConflict) == [ScaleConflict("web", "ProcessPool shop", 4)]
    assert (loop.status.last_success_at_s, loop.status.failures) == (START_S, ())
    assert [event.replicas for event in loop.memory.recommendations] == [4]


async def test_a_count_set_by_hand_before_the_write_is_not_undone(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(2, others=[9])
    loop = loop_of(target, clock, recorder)
    await loop.evaluate()
    assert (target.scaled, target.state.replicas) == ([], 9)
    assert recorder.of(ManualScale) == [ManualScale("web", "ProcessPool shop", 2, 9, "kubectl")]


async def test_a_count_set_by_hand_is_respected_until_the_next_interval(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(4)
    loop = loop_of(target, clock, recorder)
    await loop.evaluate()
    target.set_by_hand(9)
    await loop.evaluate()
    assert target.scaled == []
    clock.advance(15)
    await loop.evaluate()
    assert target.scaled == [4]
    assert recorder.of(ManualScale) == [ManualScale("web", "ProcessPool shop", 4, 9, "kubectl")]


async def test_a_change_by_hand_counts_towards_the_policies(clock: ManualClock, recorder: Recorder) -> None:
    target = SharedTarget(4)
    loop = loop_of(target, clock, recorder)
    await loop.evaluate()
    target.set_by_hand(9)
    await loop.evaluate()
    assert [event.change for event in loop.memory.scale_up_events] == [5]


async def test_the_count_found_at_the_start_is_nobodys_change(clock: ManualClock, recorder: Recorder) -> None:
    target = SharedTarget(4)
    target.set_by_hand(9)
    await loop_of(target, clock, recorder, load=90).evaluate()
    assert recorder.of(ManualScale) == []


@pytest.mark.parametrize(
    ("by", "recalled", "told"),
    [
        ("kubectl", 4, [ManualScale("web", "ProcessPool shop", 4, 9, "kubectl")]),
        ("kubectl", 9, []),
        ("kubectl", None, []),
        (OURS, 4, []),  # written by a process before us, and not kept any more
        ("", 4, []),
    ],
)
async def test_a_count_that_others_set_while_no_scaler_ran_is_told(
    clock: ManualClock, recorder: Recorder, by: str, recalled: int | None, told: list[ManualScale]
) -> None:
    target, rule = SharedTarget(4), make_rule(behavior=NO_WINDOW)
    target.set_by_hand(9, by)
    memory = RuleMemory(rule, clock, holds=False)
    memory.replicas = recalled
    source: FakeSource[object] = FakeSource(Value(30, START_S))
    loop = make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=source, memory=memory)
    await loop.evaluate()
    assert recorder.of(ManualScale) == told
    assert target.scaled == ([] if told else [3])  # respected until the next interval
    await loop.evaluate()
    assert target.scaled == [3]


async def test_a_write_whose_answer_was_lost_is_our_own(clock: ManualClock, recorder: Recorder) -> None:
    target = SharedTarget(2)
    loop = loop_of(target, clock, recorder)
    target.loses_answers = True
    await loop.evaluate()
    assert (recorder.of(RuleScaled), loop.memory.scale_up_events) == ([], ())
    target.loses_answers = False
    clock.advance(15)
    await loop.evaluate()
    assert recorder.of(ManualScale) == []
    assert [(event.before, event.after) for event in recorder.of(RuleScaled)] == [(2, 4)]
    assert [event.change for event in loop.memory.scale_up_events] == [2]


async def test_a_storm_of_changes_ends_the_round_and_not_the_loop(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(2, others=[2] * DECIDE_TRIES)
    loop = loop_of(target, clock, recorder)
    await loop.evaluate()
    assert target.scaled == []
    assert [failure.step for failure in loop.status.failures] == ["scale"]
    assert condition_of(loop, "AbleToScale").reason == "FailedUpdateScale"
    await loop.evaluate()
    assert target.scaled == [4]


async def test_conflicts_at_a_slow_target_leave_time_to_tell_the_room(
    clock: ManualClock, recorder: Recorder
) -> None:
    class Slow(SharedTarget):
        async def scale(self, replicas: int, decided_on: TargetState | None = None) -> None:
            clock.advance(8.0)
            await super().scale(replicas, decided_on)

    target, writer = Slow(2, others=[2] * DECIDE_TRIES), FakeWriter()
    source: FakeSource[object] = FakeSource(Value(40, START_S))
    rule = make_rule(behavior=NO_WINDOW, admission={"onsale": "cactus", "perReadyReplica": 5.0})
    loop = make_loop(rule, target=target, clock=clock, recorder=recorder, exposition=source, writer=writer)
    await loop.evaluate()
    assert (len(target.writes), len(writer.targets)) == (2, 1)
    assert loop.status.failures[-1].error == "the target changed before it could be written (tries: 2)"


async def test_an_obstacle_is_shown_and_keeps_the_loop_from_writing(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(2)
    target.state = replace(target.state, obstacle="HorizontalPodAutoscaler shop/web scales it too")
    loop = loop_of(target, clock, recorder)
    await loop.evaluate()
    assert target.writes == []
    able = condition_of(loop, "AbleToScale")
    assert (able.holds, able.reason) == (False, "AmbiguousTarget")
    assert able.message == "HorizontalPodAutoscaler shop/web scales it too"
    assert loop.status.failures[-1].error == able.message


async def test_a_refused_write_stays_a_condition_until_one_works(
    clock: ManualClock, recorder: Recorder
) -> None:
    target = SharedTarget(2)
    target.error = Forbidden("may not update deployments/scale")
    loop = loop_of(target, clock, recorder)
    target.current = SharedTarget(2).current  # type: ignore[method-assign]
    for _ in range(3):
        await loop.evaluate()
        clock.advance(15)
    able = condition_of(loop, "AbleToScale")
    assert (able.holds, able.reason, able.since_s) == (False, "FailedUpdateScale", START_S)
    assert able.message == "may not update deployments/scale"
    changes = [event for event in recorder.of(ConditionChanged) if event.condition.type == "AbleToScale"]
    assert len(changes) == 1
    assert len(recorder.of(StepFailed)) == 3


async def test_conditions_stand_in_the_status(clock: ManualClock, recorder: Recorder) -> None:
    loop = loop_of(SharedTarget(2), clock, recorder, load=900)
    await loop.evaluate()
    shown = {
        entry["type"]: (entry["status"], entry["reason"]) for entry in status_json(loop.status)["conditions"]
    }
    assert shown == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("True", "ScaleUpLimit"),
    }
