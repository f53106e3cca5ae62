"""What the console's plots and events show goes on over a restart and a takeover; in bounds, and in one scaler's name."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from autoscaler.console import app
from autoscaler.console.happenings import Happening
from autoscaler.console.history import Chronicle
from autoscaler.console.onsale_history import OnsaleHistory, Sample
from autoscaler.console.onsales import onsale_view
from autoscaler.console.pastrounds import ROUNDS_KEPT
from autoscaler.console.plot import Series, draw
from autoscaler.console.remembering import Remembering, Standing
from autoscaler.console.trail import Trail
from autoscaler.instrumentation.events import LeadershipChanged, RuleScaled
from autoscaler.store.connection import open_client
from autoscaler.store.shelves import Shelf, Shelves
from tests.autoscaler.console_stage import running_stage, signed_in, stage_settings
from tests.autoscaler.fakes import START_S, ManualClock
from tests.autoscaler.test_console_acts import becomes, rule_of
from tests.autoscaler.test_console_views import decided

KEY = ("tidegate.dev", "ProcessPool", "", "shop")
LEADS = Standing(leads=True, writes=True, targets={"web": KEY})
SAMPLE = {"name": "cactus", "snapshot": {"waiting": 7, "rate_per_s": 4.0, "released_per_s": 2.0}}


class Scaler:
    """One process's history, and what it is."""

    def __init__(self, client: Redis, standing: Standing = LEADS) -> None:
        self.clock = ManualClock()
        self.chronicle = Chronicle(self.clock)
        self.onsales = OnsaleHistory()
        self.standing = standing
        self._shelves = Shelves(client)
        self._remembering = Remembering(self.chronicle, self.onsales, lambda: self.standing)

    async def carry_on(self) -> None:
        await self._remembering.carry_on(self._shelves)

    def decide(self, *at_s: float) -> None:
        for each in at_s:
            self.chronicle.record(decided(each, each))

    @property
    def times(self) -> list[float]:
        return [one.at_s for one in self.chronicle.rounds("web")]


async def test_who_takes_over_shows_what_the_leader_saw(client: Redis) -> None:
    leader, successor = Scaler(client), Scaler(client, replace(LEADS, leads=False))
    leader.decide(1.0, 2.0)
    leader.chronicle.record(RuleScaled("web", "shop", 1, 2, "1 -> 2 (busy)"))
    leader.onsales.note(onsale_view(SAMPLE), 2.0)
    await leader.carry_on()
    leader.decide(3.0)
    await leader.carry_on()
    # Standing by, it has no rounds of the rule; it does follow the onsales, and does not write what the leader writes.
    successor.onsales.note(onsale_view(SAMPLE), 3.0)
    await successor.carry_on()
    assert successor.times == []
    assert [one.at_s for one in successor.onsales.trails()["cactus"]] == [2.0, 3.0]
    successor.standing = LEADS
    successor.decide(4.0)
    await successor.carry_on()
    assert successor.times == [1.0, 2.0, 3.0, 4.0]
    assert successor.chronicle.rounds("web")[:3] == leader.chronicle.rounds("web")
    assert successor.chronicle.happenings("web") == leader.chronicle.happenings("web")


async def test_who_leads_again_shows_what_the_other_saw_meanwhile(client: Redis) -> None:
    first, second = Scaler(client), Scaler(client)
    first.decide(1.0)
    await first.carry_on()
    first.standing = replace(LEADS, leads=False)
    second.decide(2.0, 3.0)
    await second.carry_on()
    first.chronicle.record(LeadershipChanged(True, True, "first", 3, ""))
    first.standing = LEADS
    first.decide(4.0)
    await first.carry_on()
    assert first.times == [1.0, 2.0, 3.0, 4.0]


async def test_a_store_that_is_away_costs_nothing_that_this_process_still_has(client: Redis) -> None:
    away = open_client("redis://127.0.0.1:1")
    scaler = Scaler(away)
    scaler.decide(1.0, 2.0)
    await scaler.carry_on()
    assert scaler.times == [1.0, 2.0]
    await away.aclose()
    scaler._shelves = Shelves(client)
    await scaler.carry_on()
    after = Scaler(client)
    await after.carry_on()
    assert after.times == [1.0, 2.0]


async def test_a_dry_run_reads_the_history_and_does_not_write_it(client: Redis) -> None:
    scaler = Scaler(client)
    scaler.decide(1.0)
    await scaler.carry_on()
    trial = Scaler(client, replace(LEADS, writes=False))
    trial.decide(2.0)
    await trial.carry_on()
    assert trial.times == [1.0, 2.0]
    after = Scaler(client)
    await after.carry_on()
    assert after.times == [1.0]


async def test_what_is_kept_is_bounded_and_what_is_none_of_ours_is_left_out(client: Redis) -> None:
    scaler = Scaler(client)
    scaler.decide(*map(float, range(ROUNDS_KEPT + 7)))
    await scaler.carry_on()
    key = "{scaler}:console:rounds:web:" + ":".join(KEY)
    assert await client.llen(key) == ROUNDS_KEPT
    assert 0 < await client.pttl(key) <= 14 * 86_400_000
    size = sum(len(text) for text in await client.lrange(key, 0, -1))
    assert size < 100_000
    for text in ("{", '{"at_s": "x"}', "[]", '{"at_s": 1e9}'):
        await client.lpush(key, text)
    after = Scaler(client)
    await after.carry_on()
    assert after.times == [float(at_s) for at_s in range(11, ROUNDS_KEPT + 7)]


async def test_the_same_rule_on_another_target_has_another_past(client: Redis) -> None:
    scaler = Scaler(client)
    scaler.decide(1.0)
    await scaler.carry_on()
    other = Scaler(client, replace(LEADS, targets={"web": (*KEY[:3], "other")}))
    await other.carry_on()
    assert other.times == []


async def test_a_shelf_without_an_end_stays(client: Redis) -> None:
    shelves, shelf = Shelves(client), Shelf("{scaler}:console:of-tests", kept=2)
    await shelves.put(shelf, ["one", "two", "three"])
    assert await shelves.read(shelf) == ("three", "two")
    assert await client.pttl(shelf.key) == -1


def test_a_trail_knows_what_has_not_been_kept() -> None:
    trail: Trail[Sample] = Trail(3)
    one, two, three, four = (Sample(float(at_s), at_s, None, None) for at_s in range(4))
    trail.add(one)
    trail.add(two)
    assert trail.fresh() == (one, two)
    trail.add(three)
    trail.kept(2)
    assert trail.fresh() == (three,)
    trail.add(four)
    assert tuple(trail) == (two, three, four)
    assert trail.fresh() == (three, four)
    trail.recall([one, two, one])
    assert (tuple(trail), trail.recalled) == ((two, three, four), True)


def test_what_was_written_twice_is_recalled_once() -> None:
    trail: Trail[Sample] = Trail(9)
    one, two = Sample(1.0, 1, None, None), Sample(2.0, 2, None, None)
    trail.recall([two, one, two, one])
    assert tuple(trail) == (one, two)


def test_over_a_rest_no_line_is_drawn() -> None:
    points = ((0.0, 1), (5.0, 1), (100.0, 1), (105.0, 1))
    whole = draw([Series("waiting", "signal", points)], 100)
    parted = draw([Series("waiting", "signal", points)], 100, gap_s=30.0)
    assert whole is not None
    assert parted is not None
    assert (whole.lines[0].path.count("M"), parted.lines[0].path.count("M")) == (1, 2)


@pytest.mark.slow
async def test_after_a_restart_the_page_tells_of_the_time_before(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)

    def told(page: str) -> set[Any]:
        events = page.partition('id="happenings"')[2]
        return set(
            re.findall(r"<time>(.*?)</time><span><strong>(.*?)</strong>.*?</span>(.*?)</span>", events)
        )

    async with running_stage(settings) as stage, signed_in(stage) as operator:
        await becomes(lambda: rule_of(stage), lambda rule: rule["ready"] == 2)
        before = {one for one in told(await operator.page("services/web")) if one[1] == "Scaled"}
        assert len(before) == 1
    async with running_stage(settings) as stage, signed_in(stage) as operator:
        await becomes(lambda: rule_of(stage), lambda rule: rule["rounds"] > 0)
        await becomes(lambda: operator.page("services/web"), lambda page: before <= told(page))


async def test_a_store_that_answers_late_holds_up_no_end(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def carry_on(self: Remembering, shelves: Shelves) -> None:
        began.set()
        await asyncio.Event().wait()

    began = asyncio.Event()
    monkeypatch.setattr(app, "LAST_WORDS_S", 0.05)
    monkeypatch.setattr(Remembering, "carry_on", carry_on)
    async with asyncio.timeout(30):
        async with running_stage(stage_settings(tmp_path, store_url)):
            await began.wait()


def test_events_of_a_rule_and_of_others_are_told_together(clock: ManualClock) -> None:
    chronicle = Chronicle(clock)
    chronicle.record(RuleScaled("web", "shop", 1, 2, "up"))
    chronicle.record(LeadershipChanged(True, True, "one", 1, ""))
    chronicle.record(RuleScaled("api", "shop", 1, 2, "up"))
    assert {one.rule for one in chronicle.happenings("web")} == {"web", ""}
    assert {one.rule for one in chronicle.happenings()} == {"web", "api", ""}
    assert all(isinstance(one, Happening) and one.at_s == START_S for one in chronicle.happenings())
