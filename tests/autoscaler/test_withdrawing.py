"""What a rule has told the room is taken back once the documents say that it bounds the onsale no longer; by the leader alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from autoscaler import withdrawing
from autoscaler.admission import AdmissionTarget, Withdrawal
from autoscaler.errors import LaterTerm, StoreUnavailable
from autoscaler.instrumentation.events import AdmissionNotWithdrawn, AdmissionWithdrawn
from autoscaler.leadership.standing import Leadership
from autoscaler.plan import Plan
from autoscaler.store.connection import open_client
from autoscaler.store.target_writer import TargetWriter
from autoscaler.withdrawing import UNCLEAR, Withdrawer
from rulebook.coupling import US_PER_S, targets_key, terms_key
from rulebook.rule import ScalingRule
from tests.autoscaler.fakes import (
    Elected,
    FakeTarget,
    FakeWriter,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
    until,
)
from tests.autoscaler.running import RULE, running_scaler, write_documents
from tests.autoscaler.test_reload import status_of
from tests.segments import TargetSegment

KEY = targets_key("cactus")


def target(rule: str = "web", term: int = 1, validity_s: float = 45.0) -> AdmissionTarget:
    return AdmissionTarget("cactus", rule, 20.0, 600, "4 ready", validity_s=validity_s, term=term)


async def segments(client: Redis) -> list[TargetSegment]:
    return [TargetSegment.from_json(entry) for entry in await client.lrange(KEY, 0, -1)]


async def withdrawn(client: Redis) -> set[str]:
    """Name the rules whose newest segment takes back what they said."""
    newest = {segment.rule: segment for segment in await segments(client)}
    return {rule for rule, segment in newest.items() if segment.withdrawn}


# --- in the store


async def test_a_withdrawal_begins_and_ends_at_the_stores_now_and_leaves_what_was_due(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target())
    seconds, microseconds = await client.time()
    assert await writer.withdraw("cactus", "web", 1, ()) is Withdrawal.WITHDRAWN
    before, taken_back = await segments(client)
    assert (before.rate_per_s, before.withdrawn) == (20.0, False)
    assert (taken_back.rule, taken_back.term, taken_back.withdrawn) == ("web", 1, True)
    assert taken_back.from_us == taken_back.until_us >= seconds * US_PER_S + microseconds


async def test_what_is_not_there_or_was_withdrawn_before_is_not_withdrawn_again(client: Redis) -> None:
    writer = TargetWriter(client)
    assert await writer.withdraw("cactus", "web", 1, ()) is Withdrawal.NOTHING
    assert await client.exists(KEY) == 0
    await writer.write(target())
    await writer.withdraw("cactus", "web", 1, ())
    assert await writer.withdraw("cactus", "web", 1, ()) is Withdrawal.NOTHING
    assert len(await segments(client)) == 2


async def test_a_rule_that_is_put_back_speaks_again(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target())
    await writer.withdraw("cactus", "web", 1, ())
    assert (await writer.write(target())).accepted
    assert await withdrawn(client) == set()


async def test_a_former_leader_does_not_withdraw_its_successors_target(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=1))
    await writer.fence("cactus", "web", 2)
    with pytest.raises(LaterTerm, match="onsale cactus: a leader of term 2 has taken over from term 1"):
        await writer.withdraw("cactus", "web", 1, ())
    await writer.write(target(term=3))
    with pytest.raises(LaterTerm) as later:
        await writer.withdraw("cactus", "web", 2, ())
    assert later.value.term == 3
    assert await withdrawn(client) == set()


async def test_what_a_predecessor_still_has_in_hand_is_refused_after_the_room_has_trimmed_the_list(
    client: Redis,
) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=1))
    await writer.withdraw("cactus", "web", 2, ())
    await client.delete(KEY)
    assert not (await writer.write(target(term=1))).accepted
    assert await client.pttl(terms_key("cactus")) > 0


async def test_it_waits_for_each_rule_that_is_to_speak(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target())
    await writer.write(target("checkout"))
    assert await writer.withdraw("cactus", "web", 1, ("checkout", "shop")) is Withdrawal.WAITS
    await writer.write(target("shop", validity_s=0.001))
    await asyncio.sleep(0.002)
    assert await writer.withdraw("cactus", "web", 1, ("checkout", "shop")) is Withdrawal.WAITS
    assert await withdrawn(client) == set()
    await writer.write(target("shop"))
    assert await writer.withdraw("cactus", "web", 1, ("checkout", "shop")) is Withdrawal.WITHDRAWN


async def test_targets_that_lie_in_the_future_are_taken_back_too(client: Redis) -> None:
    seconds, _ = await client.time()
    ahead = [
        TargetSegment("web", (seconds + 60) * US_PER_S, (seconds + 99) * US_PER_S, 20.0, None, "", 1),
        TargetSegment("web", (seconds + 70) * US_PER_S, (seconds + 70) * US_PER_S, 0.0, None, "", 1, True),
    ]
    await client.rpush(KEY, *(segment.to_json() for segment in ahead), "not json", json.dumps(["web"]))
    assert await TargetWriter(client).withdraw("cactus", "web", 1, ()) is Withdrawal.WITHDRAWN
    left = await client.lrange(KEY, 0, -1)
    assert left[:2] == ["not json", '["web"]']
    (taken_back,) = (TargetSegment.from_json(entry) for entry in left[2:])
    assert taken_back.from_us < (seconds + 60) * US_PER_S


async def test_a_store_that_is_down_is_said_in_one_line() -> None:
    client = open_client("redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match=r"^store: [^\n]+$"):
        await TargetWriter(client).withdraw("cactus", "web", 1, ())
    await client.aclose()


# --- what is owed


class FakeTaker:
    """Takes back whatever it is asked to, and remembers that."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int, tuple[str, ...]]] = []
        self.outcome = Withdrawal.WITHDRAWN
        self.error: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    async def withdraw(self, onsale: str, rule: str, term: int, after: Collection[str]) -> Withdrawal:
        self.asked.append((onsale, rule, term, tuple(after)))
        self.meanwhile()
        if self.error is not None:
            raise self.error
        return self.outcome


def bounding(onsale: str | None, **spec: Any) -> ScalingRule:
    if onsale is None:
        return make_rule(**spec)
    return make_rule(admission={"onsale": onsale, "perReadyReplica": 5.0}, **spec)


def plan(*, incomplete: bool = False, **rules: ScalingRule) -> Plan:
    return Plan(rules=rules, incomplete=incomplete)


class Stage:
    """A withdrawer over a taker that the test moves."""

    def __init__(self, leadership: Leadership, recorder: Recorder) -> None:
        self.taker, self.recorder = FakeTaker(), recorder
        self.withdrawer = Withdrawer(self.taker, leadership, recorder)

    async def follow(self, *plans: Plan) -> list[tuple[str, str, int, tuple[str, ...]]]:
        """Put plans in force one after another; returns what was asked after that."""
        for one in plans:
            self.withdrawer.follow(one)
        self.taker.asked.clear()
        await self.withdrawer.take_back()
        return self.taker.asked


@pytest.fixture
def stage(clock: ManualClock, recorder: Recorder) -> Stage:
    return Stage(Elected(clock, 3), recorder)


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        pytest.param({"web": bounding("cactus")}, {}, [("cactus", "web", 3, ())], id="taken away"),
        pytest.param(
            {"web": bounding("cactus")},
            {"shop": bounding("cactus")},
            [("cactus", "web", 3, ("shop",))],
            id="renamed",
        ),
        pytest.param(
            {"web": bounding("cactus")},
            {"web": bounding("tulip")},
            [("cactus", "web", 3, ())],
            id="another onsale",
        ),
        pytest.param(
            {"web": bounding("cactus")}, {"web": bounding(None)}, [("cactus", "web", 3, ())], id="no onsale"
        ),
        pytest.param(
            {"web": bounding("cactus"), "db": bounding("cactus"), "cdn": bounding("tulip")},
            {"db": bounding("cactus"), "cdn": bounding("tulip"), "try": bounding("cactus", dryRun=True)},
            [("cactus", "web", 3, ("db",))],
            id="one of several",
        ),
        pytest.param(
            {"web": bounding("cactus")}, {"web": bounding("cactus", interval=30.0)}, [], id="changed"
        ),
        pytest.param(
            {"web": bounding("cactus")}, {"web": bounding("cactus", dryRun=True)}, [], id="runs dry now"
        ),
        pytest.param({"web": bounding("cactus", dryRun=True)}, {}, [], id="has always run dry"),
        pytest.param({"web": bounding(None)}, {}, [], id="never bounded anything"),
    ],
)
async def test_what_no_document_names_any_more_is_taken_back(
    stage: Stage, before: dict[str, ScalingRule], after: dict[str, ScalingRule], asked: list[Any]
) -> None:
    assert await stage.follow(plan(**before), plan(**after)) == asked
    assert stage.recorder.of(AdmissionWithdrawn) == [AdmissionWithdrawn(*one[:2]) for one in asked]
    assert await stage.follow() == []


async def test_a_rule_that_ran_dry_before_it_was_taken_away_is_taken_back(stage: Stage) -> None:
    dry = bounding("cactus", dryRun=True)
    assert await stage.follow(plan(web=bounding("cactus")), plan(web=dry), plan()) == [
        ("cactus", "web", 3, ())
    ]


async def test_a_rule_that_is_put_back_before_is_left_alone(stage: Stage) -> None:
    stage.taker.error = StoreUnavailable("store: away")
    bound = plan(web=bounding("cactus"))
    await stage.follow(bound, plan())
    stage.taker.error = None
    assert await stage.follow(bound) == []
    assert await stage.follow(plan()) == [("cactus", "web", 3, ())]


async def test_a_rule_that_is_put_back_meanwhile_is_taken_back_when_it_goes_again(stage: Stage) -> None:
    bound = plan(web=bounding("cactus"))
    stage.taker.meanwhile = lambda: stage.withdrawer.follow(bound)
    await stage.follow(bound, plan())
    stage.taker.meanwhile = lambda: None
    assert await stage.follow(plan()) == [("cactus", "web", 3, ())]


@pytest.mark.parametrize("outcome", [Withdrawal.NOTHING, Withdrawal.WITHDRAWN])
async def test_what_is_done_is_done(stage: Stage, outcome: Withdrawal) -> None:
    stage.taker.outcome = outcome
    await stage.follow(plan(web=bounding("cactus")), plan())
    assert stage.withdrawer.owed == []
    assert len(stage.recorder.of(AdmissionWithdrawn)) == (outcome is Withdrawal.WITHDRAWN)


async def test_what_waits_is_tried_again(stage: Stage) -> None:
    stage.taker.outcome = Withdrawal.WAITS
    await stage.follow(plan(web=bounding("cactus")), plan(shop=bounding("cactus")))
    assert stage.withdrawer.owed == [("cactus", "web")]
    assert stage.recorder.events == []


async def test_while_a_document_that_may_bound_the_onsale_is_broken_nothing_is_taken_back(
    stage: Stage,
) -> None:
    assert await stage.follow(plan(web=bounding("cactus")), plan(incomplete=True)) == []
    assert await stage.follow() == []
    assert stage.recorder.events == [AdmissionNotWithdrawn("cactus", "web", UNCLEAR)]
    assert await stage.follow(plan(shop=bounding("cactus"))) == [("cactus", "web", 3, ("shop",))]


async def test_who_does_not_lead_takes_nothing_back_until_it_does(
    clock: ManualClock, recorder: Recorder
) -> None:
    leadership = Elected(clock, 3)
    leadership.yield_to("other")
    stage = Stage(leadership, recorder)
    assert await stage.follow(plan(web=bounding("cactus")), plan()) == []
    leadership.hold(5, float("inf"))
    assert await stage.follow() == [("cactus", "web", 5, ())]


async def test_a_former_leader_that_thaws_takes_nothing_back(clock: ManualClock, recorder: Recorder) -> None:
    leadership = Elected(clock, 3)
    stage = Stage(leadership, recorder)
    leadership.hold(3, clock.monotonic_s() + 10)
    clock.advance(11)
    assert await stage.follow(plan(web=bounding("cactus")), plan()) == []


async def test_a_refused_withdrawal_is_made_in_a_term_that_counts_where_we_lead_and_not_where_another_does(
    clock: ManualClock, recorder: Recorder, client: Redis
) -> None:
    writer, leadership = TargetWriter(client), Elected(clock, 1)
    withdrawer = Withdrawer(writer, leadership, recorder)
    await writer.write(target(term=7))
    for one in (plan(web=bounding("cactus")), plan()):
        withdrawer.follow(one)
    leadership.lost = True
    await withdrawer.take_back()
    assert await withdrawn(client) == set()
    leadership.lost = False
    for _ in range(2):
        await withdrawer.take_back()
    assert (leadership.term, await withdrawn(client)) == (8, {"web"})
    assert len(recorder.of(AdmissionNotWithdrawn)) == 1


async def test_a_failure_is_told_once_and_tried_again_and_costs_the_others_nothing(stage: Stage) -> None:
    stage.taker.error = StoreUnavailable("store: away")
    both = [("cactus", "web", 3, ()), ("tulip", "db", 3, ())]
    assert await stage.follow(plan(web=bounding("cactus"), db=bounding("tulip")), plan()) == both
    assert await stage.follow() == both
    told = stage.recorder.of(AdmissionNotWithdrawn)
    assert [(one.rule, one.error) for one in told] == [("web", "store: away"), ("db", "store: away")]
    stage.taker.error = None
    assert await stage.follow() == both
    assert stage.withdrawer.owed == []


async def test_it_is_tried_again_by_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawing, "RETRY_S", 0.01)
    stage.taker.error = RuntimeError("something new")
    async with stage.withdrawer.running():
        stage.withdrawer.follow(plan(web=bounding("cactus")))
        stage.withdrawer.follow(plan())
        await until(lambda: len(stage.taker.asked) > 1)
        stage.taker.error = None
        await until(lambda: not stage.withdrawer.owed)


# --- the loop


async def test_a_rule_that_bounds_another_onsale_writes_nothing_for_the_old_one_any_more(
    clock: ManualClock, recorder: Recorder
) -> None:
    scaled, writer = FakeTarget(4), FakeWriter()
    loop = make_loop(bounding("cactus"), target=scaled, clock=clock, recorder=recorder, writer=writer)
    await loop.evaluate()
    await loop.admit_to("tulip")
    assert loop.status.admission is None
    following = asyncio.create_task(loop.follow())
    scaled.become(ready=2)
    await until(lambda: loop.status.state is not None and loop.status.state.ready == 2)
    await loop.evaluate()  # the round that was under way still goes by the old form
    loop.change(bounding("tulip"), loop.signals)
    await loop.evaluate()
    following.cancel()
    assert [(one.onsale, one.rate_per_s) for one in writer.targets] == [("cactus", 20.0), ("tulip", 10.0)]


async def test_a_write_that_is_under_way_is_waited_for(clock: ManualClock, recorder: Recorder) -> None:
    writer = SlowWriter()
    loop = make_loop(bounding("cactus"), target=FakeTarget(4), clock=clock, recorder=recorder, writer=writer)
    round_ = asyncio.create_task(loop.evaluate())
    await until(lambda: writer.began)
    leaving = asyncio.create_task(loop.admit_to(None))
    await asyncio.sleep(0.02)
    assert not leaving.done()
    writer.go_on.set()
    await asyncio.gather(round_, leaving)
    assert loop.status.admission is None


class SlowWriter(FakeWriter):
    """Takes a target when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go_on = False, asyncio.Event()

    async def write(self, target: AdmissionTarget) -> Any:
        self.began = True
        await self.go_on.wait()
        return await super().write(target)


# --- a whole scaler


def write_whole(file: Path, text: str) -> None:
    """Put a document in its place at once: of one that is empty for a moment, the rule would be gone."""
    draft = file.parents[1] / "draft"
    draft.write_text(text)
    draft.replace(file)


async def spoken(client: Redis, condition: Callable[[list[TargetSegment]], object]) -> list[TargetSegment]:
    """Wait until the segments are as wished."""
    async with asyncio.timeout(60):
        while not condition(found := await segments(client)):
            await asyncio.sleep(0.02)
    return found


async def test_a_rule_that_is_taken_away_is_withdrawn_at_once_and_the_last_word_stays_that(
    tmp_path: Path, client: Redis, store_url: str
) -> None:
    settings = replace(write_documents(tmp_path), store_url=store_url)
    file = tmp_path / "rules" / "rule.yaml"
    async with running_scaler(settings) as http:
        await spoken(client, lambda found: found and found[-1].rate_per_s == 10)
        write_whole(file, RULE.replace("perReplica: 20", "perReplicas: 20"))
        await status_of(http, lambda status: status["rules"]["web"]["outdated"])
        assert await withdrawn(client) == set()
        file.unlink()
        await spoken(client, lambda found: found[-1].withdrawn)
        await status_of(http, lambda status: not status["rules"])
        assert await withdrawn(client) == {"web"}
        write_whole(file, RULE)
        await spoken(client, lambda found: not found[-1].withdrawn)


async def test_a_renamed_rule_speaks_by_its_new_name_before_the_old_one_is_withdrawn(
    tmp_path: Path, client: Redis, store_url: str
) -> None:
    settings = replace(write_documents(tmp_path), store_url=store_url)
    async with running_scaler(settings):
        await spoken(client, lambda found: found and found[-1].rate_per_s == 10)
        write_whole(tmp_path / "rules" / "rule.yaml", RULE.replace("name: web", "name: shop"))
        found = await spoken(client, lambda found: any(segment.withdrawn for segment in found))
    begun = [segment.rule for segment in found if not segment.withdrawn]
    index = next(place for place, segment in enumerate(found) if segment.withdrawn)
    assert (found[index].rule, "shop" in begun[:index]) == ("web", True)
    assert {segment.rule for segment in found[index + 1 :]} <= {"shop"}
