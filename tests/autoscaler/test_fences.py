"""What a new leader shuts out, in the store and by the loop: nothing that an earlier one still has in hand takes effect."""

import asyncio

import pytest
from redis.asyncio import Redis

from autoscaler.admission import AdmissionTarget
from autoscaler.errors import LaterTerm, NotLeading, StoreUnavailable
from autoscaler.instrumentation.events import RuleScaled, StepFailed
from autoscaler.instrumentation.remarks import remarks_on
from autoscaler.keeping.keeping import Keeping
from autoscaler.keeping.rulememory import RuleMemory
from autoscaler.leadership.standing import Leadership
from autoscaler.store.target_writer import TargetWriter
from rulebook.coupling import targets_key
from rulebook.observation import Value
from tests.autoscaler.fakes import (
    Elected,
    FakeKeeper,
    FakeSource,
    FakeTarget,
    FakeWriter,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
)

ADMITTING = {"onsale": "cactus", "perReadyReplica": 5.0}


def target(term: int) -> AdmissionTarget:
    return AdmissionTarget("cactus", "web", 20.0, None, "because", validity_s=45.0, term=term)


async def test_a_fence_refuses_earlier_terms_before_anything_of_the_new_one_is_written(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=1))
    await writer.fence("cactus", "web", 2)
    late = await writer.write(target(term=1))
    assert (late.accepted, late.term) == (False, 2)
    assert len(await client.lrange(targets_key("cactus"), 0, -1)) == 1
    assert (await writer.write(target(term=2))).accepted


async def test_a_fence_stands_where_nothing_was_ever_written(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.fence("cactus", "web", 2)
    late = await writer.write(target(term=1))
    assert (late.accepted, late.from_s, late.until_s, late.term) == (False, 0.0, 0.0, 2)
    assert await client.exists(targets_key("cactus")) == 0


async def test_a_fence_is_of_one_rule(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.fence("cactus", "mobile", 2)
    assert (await writer.write(target(term=1))).accepted


async def test_a_fence_is_never_lowered(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.fence("cactus", "web", 3)
    with pytest.raises(LaterTerm, match="a leader of term 3 has taken over from term 2") as later:
        await writer.fence("cactus", "web", 2)
    assert later.value.term == 3


async def test_fences_are_put_up_once_a_term_before_anything_is_read(
    clock: ManualClock, recorder: Recorder
) -> None:
    leadership, scaled, writer = Elected(clock, 4), FakeTarget(2), FakeWriter()
    rule = make_rule(admission=ADMITTING)
    loop = make_loop(
        rule, target=scaled, clock=clock, recorder=recorder, writer=writer, leadership=leadership
    )
    await loop.evaluate()
    await loop.evaluate()
    assert (scaled.fenced, writer.fenced) == ([4], [("cactus", "web", 4)])
    leadership.hold(6, float("inf"))
    await loop.evaluate()
    assert (scaled.fenced, writer.fenced) == ([4, 6], [("cactus", "web", 4), ("cactus", "web", 6)])
    assert {written.term for written in writer.targets} == {4, 6}


async def test_without_a_fence_nothing_is_scaled(clock: ManualClock, recorder: Recorder) -> None:
    scaled = Stubborn(2)
    busy = FakeSource(Value(40.0, clock.now_s()))
    loop = make_loop(
        make_rule(),
        target=scaled,
        clock=clock,
        recorder=recorder,
        exposition=busy,
        leadership=Elected(clock, 1),
    )
    scaled.refuses = RuntimeError("the API server is away")
    await loop.evaluate()
    assert [failure.step for failure in recorder.of(StepFailed)] == ["fence"]
    assert scaled.scaled == []
    (able,) = (condition for condition in loop.status.conditions if condition.type == "AbleToScale")
    assert (able.holds, able.reason, able.message) == (False, "FailedUpdateScale", "the API server is away")
    said = [remark for event in recorder.events for remark in remarks_on(event, make_rule())]
    assert said == [("Warning", "FailedRescale", "the API server is away")]
    scaled.refuses = None
    await loop.evaluate()
    assert scaled.scaled == [4]


async def test_without_a_fence_at_the_target_the_room_is_told_what_is_ready(
    clock: ManualClock, recorder: Recorder
) -> None:
    scaled, writer = Stubborn(2), FakeWriter()
    scaled.refuses = RuntimeError("the API server is away")
    loop = make_loop(
        make_rule(admission=ADMITTING), target=scaled, clock=clock, recorder=recorder, writer=writer,
        leadership=Elected(clock, 1),
    )  # fmt: skip
    await loop.evaluate()
    assert [written.rate_per_s for written in writer.targets] == [10.0]
    assert loop.status.last_success_at_s is None


async def test_a_store_that_is_away_keeps_nobody_from_scaling(clock: ManualClock, recorder: Recorder) -> None:
    scaled, writer = FakeTarget(2), FakeWriter()
    writer.error = StoreUnavailable("away")
    busy = FakeSource(Value(40.0, clock.now_s()))
    loop = make_loop(
        make_rule(admission=ADMITTING), target=scaled, clock=clock, recorder=recorder, writer=writer, exposition=busy,
        leadership=Elected(clock, 1),
    )  # fmt: skip
    await loop.evaluate()
    assert scaled.scaled == [4]
    writer.error = None
    await loop.evaluate()
    assert writer.fenced == [("cactus", "web", 1)]


async def test_a_store_that_hangs_keeps_nobody_from_scaling(clock: ManualClock, recorder: Recorder) -> None:
    class Hanging(FakeWriter):
        async def fence(self, onsale: str, rule: str, term: int) -> None:
            await asyncio.Event().wait()

    scaled = FakeTarget(2)
    busy = FakeSource(Value(40.0, clock.now_s()))
    loop = make_loop(
        make_rule(admission=ADMITTING, interval=1.0), target=scaled, clock=clock, recorder=recorder, writer=Hanging(),
        exposition=busy, leadership=Elected(clock, 1),
    )  # fmt: skip
    await loop.evaluate()
    assert scaled.scaled == [4]


async def test_a_later_term_at_the_target_is_outbid_by_who_holds_the_lease(
    clock: ManualClock, recorder: Recorder
) -> None:
    scaled = Stubborn(2)
    scaled.stands = 7
    leadership = Elected(clock, 0)
    loop = make_loop(make_rule(), target=scaled, clock=clock, recorder=recorder, leadership=leadership)
    await loop.evaluate()
    assert (leadership.term, scaled.fenced) == (8, [8])
    assert recorder.of(StepFailed) == []


async def test_a_refused_admission_target_is_written_in_a_term_that_counts(
    clock: ManualClock, recorder: Recorder, client: Redis
) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=7))
    leadership = Leadership.undisputed(clock)
    loop = make_loop(
        make_rule(admission=ADMITTING), target=FakeTarget(2), clock=clock, recorder=recorder, writer=writer,
        leadership=leadership,
    )  # fmt: skip
    await loop.evaluate()
    assert leadership.term == 8
    await loop.evaluate()
    assert loop.status.admission is not None
    assert (loop.status.admission.written.accepted, loop.status.admission.written.term) == (True, 8)


async def test_who_does_not_lead_decides_and_writes_nothing(clock: ManualClock, recorder: Recorder) -> None:
    scaled, writer, leadership = FakeTarget(2), FakeWriter(), Elected(clock, 1)
    busy = FakeSource(Value(40.0, clock.now_s()))
    loop = make_loop(
        make_rule(admission=ADMITTING), target=scaled, clock=clock, recorder=recorder, writer=writer, exposition=busy,
        leadership=leadership,
    )  # fmt: skip
    await loop.evaluate()
    assert (scaled.scaled, len(writer.targets)) == ([4], 1)
    scaled.state = FakeTarget(2).state
    leadership.hold(1, clock.monotonic_s() - 3)
    for _ in range(2):  # the first round respects the change by hand
        await loop.evaluate()
    assert (scaled.scaled, len(writer.targets)) == ([4], 1)
    assert loop.status.decision is not None
    assert loop.status.decision.desired == 4
    steps = {failure.step: failure.error for failure in recorder.of(StepFailed)}
    assert steps == {
        "scale": "not leading: the lease should have been renewed 3.0 s ago",
        "write admission": "not leading: the lease should have been renewed 3.0 s ago",
    }
    assert len(recorder.of(RuleScaled)) == 1


async def test_a_dry_run_puts_up_no_fences(clock: ManualClock, recorder: Recorder) -> None:
    scaled = FakeTarget(2)
    loop = make_loop(
        make_rule(dryRun=True), target=scaled, clock=clock, recorder=recorder, leadership=Elected(clock, 1)
    )
    await loop.evaluate()
    assert scaled.fenced == []


def test_not_leading_names_the_leader(clock: ManualClock) -> None:
    leadership = Elected(clock, 1)
    leadership.yield_to("other_4711")
    with pytest.raises(NotLeading, match="not leading: other_4711 holds the lease"):
        leadership.check()


class Stubborn(FakeTarget):
    """A target that refuses a fence, or at which a later term stands."""

    refuses: Exception | None = None
    stands = -1

    async def fence(self, term: int) -> None:
        if self.refuses is not None:
            raise self.refuses
        if term < self.stands:
            raise LaterTerm(f"a leader of term {self.stands} has taken over from term {term}", self.stands)
        await super().fence(term)


async def test_who_does_not_lead_keeps_no_memory(clock: ManualClock) -> None:
    keeper, leadership = FakeKeeper(), Elected(clock, 1)
    keeping = Keeping(keeper, clock=clock, term=lambda: leadership.term, check=leadership.check)
    memory = RuleMemory(make_rule(), clock, keeping)
    await memory.recall()
    leadership.yield_to("other")
    memory.keep(memory.value, 3)
    assert await keeping.flush()
    assert keeper.saves == 0
    assert memory.state.error == "not leading: other holds the lease"


async def test_a_memory_of_a_later_term_is_outbid_by_who_holds_the_lease(clock: ManualClock) -> None:
    keeper, leadership = FakeKeeper(), Elected(clock, 1)
    keeper.term = 7
    keeping = Keeping(keeper, clock=clock, term=lambda: leadership.term, outbid=leadership.outbid)
    memory = RuleMemory(make_rule(), clock, keeping)
    await memory.recall()
    memory.keep(memory.value, 3)
    assert not await keeping.flush()
    assert leadership.term == 8
    assert await keeping.flush()
    assert (keeper.term, memory.state.error) == (8, "")
