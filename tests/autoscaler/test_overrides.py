"""Overrides in the loop: they count from the next round on, outlive the process, and are taken back (P10)."""

import pytest
from rich.console import Console

from autoscaler.errors import NotLeading, StoreUnavailable
from autoscaler.keeping.rulememory import ASK_AGAIN_S
from autoscaler.leadership.standing import Leadership
from autoscaler.status import status_json
from rulebook.override import Override, OverrideMode
from tests.autoscaler.fakes import FakeKeeper, FakeTarget, ManualClock, Recorder, make_loop, make_rule, until
from tests.autoscaler.test_rule_memory import BEHAVIOUR, Process
from tidegate.scaler_status import ScalerStatus, render_table

PAUSED = Override(OverrideMode.PAUSED, "kim", 5.0, reason="a look")


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget(replicas=2)


def process(clock: ManualClock, keeper: FakeKeeper, target: FakeTarget) -> Process:
    return Process(clock, keeper, target, make_rule(behavior=BEHAVIOUR))


def shown(status: ScalerStatus) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render_table(status))
    return captured.get()


async def test_a_paused_rule_scales_no_more_until_it_is_taken_back(
    clock: ManualClock, target: FakeTarget
) -> None:
    one = process(clock, FakeKeeper(), target)
    await one.memory.recall()
    await one.loop.override(PAUSED)
    assert await one.round(500.0) == 2
    assert one.loop.status.override == PAUSED
    assert one.loop.status.paused is True
    assert one.loop.status.decision is not None
    assert one.loop.status.decision.bound_by == "paused"
    document = {"now": clock.now_s(), "rules": {"web": status_json(one.loop.status)}}
    assert "paused by kim" in shown(ScalerStatus("http://127.0.0.1", document))
    await one.loop.override(None)
    assert await one.round(500.0) > 2
    assert one.loop.status.override is None


async def test_an_override_survives_a_restart(clock: ManualClock, target: FakeTarget) -> None:
    keeper = FakeKeeper()
    one = process(clock, keeper, target)
    await one.memory.recall()
    await one.loop.override(Override(OverrideMode.PINNED, "kim", 5.0, replicas=5))
    # Killed at once: no round has kept anything since.
    other = process(clock, keeper, target)
    await other.memory.recall()
    assert await other.round(20.0) == 5
    await other.loop.override(None)
    third = process(clock, keeper, target)
    await third.memory.recall()
    assert third.loop.status.override is None


async def test_an_operator_who_was_there_before_the_keeper_answered_is_heard(
    clock: ManualClock, target: FakeTarget
) -> None:
    keeper = FakeKeeper()
    one = process(clock, keeper, target)
    await one.memory.recall()
    await one.loop.override(PAUSED)
    keeper.error = StoreUnavailable("away")
    other = process(clock, keeper, target)
    await other.memory.recall()
    await other.loop.override(None)
    keeper.error = None
    await until(lambda: bool(clock.sleeping_until_s))
    clock.advance(ASK_AGAIN_S)
    await until(lambda: other.memory.recalled)
    assert other.loop.status.override is None
    await other.memory.close()


async def test_only_the_leader_takes_an_override(clock: ManualClock, target: FakeTarget) -> None:
    leadership = Leadership(clock, "one")
    leadership.yield_to("another")
    loop = make_loop(make_rule(), target=target, clock=clock, recorder=Recorder(), leadership=leadership)
    with pytest.raises(NotLeading, match="another holds the lease"):
        await loop.override(PAUSED)
    assert loop.status.override is None
