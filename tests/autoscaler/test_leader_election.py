"""Who leads, with a lease in memory and clocks that the test moves. P10: two leaders never act at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from autoscaler.errors import ConfigurationError, LeaseUnanswered, NotLeading
from autoscaler.instrumentation.events import LeadershipChanged, LeaseFailed
from autoscaler.leadership.duty import serve
from autoscaler.leadership.lease import Timings
from autoscaler.leadership.standing import Leadership
from tests.autoscaler.fakes import ManualClock, until
from tests.autoscaler.leases import Candidate, HeldLease


@pytest.fixture
def keeper() -> HeldLease:
    return HeldLease()


async def test_the_first_to_come_leads_and_the_second_stands_by(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    assert await one.attempt()
    assert not await other.attempt()
    assert (one.leadership.term, other.leadership.holder) == (0, "one")
    assert keeper.lease is not None
    assert (keeper.lease.holder, keeper.lease.term, keeper.lease.duration_s) == ("one", 0, 15.0)


async def test_who_renews_leads_on_in_the_same_term(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    for _ in range(20):
        clock.advance(9)
        assert await one.attempt()
        assert not await other.attempt()
    assert keeper.lease is not None
    assert keeper.lease.term == 0
    assert keeper.lease.acquired_at_s < keeper.lease.renewed_at_s


async def test_a_silent_leader_is_followed_by_another_once_its_lease_has_run_out(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    clock.advance(5)
    await other.attempt()
    clock.advance(14.9)
    assert not await other.attempt()
    clock.advance(0.1)
    assert await other.attempt()
    assert other.leadership.term == 1


async def test_a_leader_that_cannot_renew_has_stopped_before_another_can_begin(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    leading = []
    for _ in range(200):
        clock.advance(0.1)
        leading.append((one.leadership.is_leading(), await other.attempt()))
    assert (True, True) not in leading
    assert leading[98] == (True, False)
    assert leading[100] == (False, False)
    assert leading[-1] == (False, True)
    with pytest.raises(NotLeading, match=r"should have been renewed 10\.0 s ago"):
        one.leadership.check()


async def test_a_leader_counts_from_before_a_write_that_took_long(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock)
    keeper.while_writing = lambda: clock.advance(4)
    assert await one.attempt()
    clock.advance(5.9)
    assert one.leadership.is_leading()
    clock.advance(0.2)
    assert not one.leadership.is_leading()


async def test_a_leader_that_comes_too_late_finds_out_and_stands_by(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    clock.advance(15)
    await other.attempt()
    assert not await one.attempt()
    assert not one.leadership.on_duty
    with pytest.raises(NotLeading, match="other holds the lease"):
        one.leadership.check()


async def test_wall_clocks_are_never_compared(keeper: HeldLease) -> None:
    behind, ahead = ManualClock(), ManualClock()
    ahead.correct(86_400.0)
    one, other = Candidate(keeper, "one", behind), Candidate(keeper, "other", ahead)
    await one.attempt()
    for _ in range(10):
        behind.advance(2)
        ahead.advance(2)
        assert await one.attempt()
        assert not await other.attempt()


async def test_a_label_on_the_lease_renews_nothing(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    clock.advance(14)
    keeper.label()
    assert not await other.attempt()
    clock.advance(1)
    assert await other.attempt()


async def test_a_label_on_the_lease_does_not_unseat_its_holder(keeper: HeldLease, clock: ManualClock) -> None:
    one = Candidate(keeper, "one", clock)
    await one.attempt()
    keeper.label()
    assert await one.attempt()
    assert one.leadership.term == 0


async def test_who_resigns_hands_over_at_once(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    await one.elector.resign()
    assert not one.leadership.is_leading()
    assert keeper.lease is not None
    assert (keeper.lease.holder, keeper.lease.term) == ("", 0)
    assert await other.attempt()
    assert other.leadership.term == 1


async def test_who_stands_by_takes_nothing_along_when_it_resigns(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    await other.elector.resign()
    assert keeper.lease is not None
    assert keeper.lease.holder == "one"
    assert await one.attempt()


async def test_a_renewal_without_an_answer_is_found_out(keeper: HeldLease, clock: ManualClock) -> None:
    one = Candidate(keeper, "one", clock)
    await one.attempt()
    clock.advance(6)
    keeper.loses_answers = True
    await one.attempt()
    keeper.loses_answers = False
    clock.advance(3)
    assert await one.attempt()
    clock.advance(9)
    assert one.leadership.is_leading()
    assert one.leadership.term == 0


async def test_a_lease_taken_without_an_answer_is_ones_own(keeper: HeldLease, clock: ManualClock) -> None:
    one = Candidate(keeper, "one", clock)
    keeper.loses_answers = True
    assert not await one.attempt()
    keeper.loses_answers = False
    assert await one.attempt()
    assert keeper.writes == 2


async def test_while_nobody_can_reach_the_lease_the_leader_stops_acting_but_stays_on_duty(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock)
    await one.attempt()
    keeper.away = True
    for _ in range(6):
        clock.advance(2)
        await one.attempt()
    assert not one.leadership.is_leading()
    assert one.leadership.on_duty
    assert one.leadership.may_tend()
    assert len(one.recorder.of(LeaseFailed)) == 6
    keeper.away = False
    assert await one.attempt()
    changes = [(change.leading, change.on_duty) for change in one.recorder.of(LeadershipChanged)]
    assert changes == [(True, True), (False, True), (True, True)]


@pytest.mark.parametrize("fault", ["away", "read_only"])
async def test_who_is_first_when_the_lease_is_in_reach_again_does_not_unseat_a_leader_that_is_well(
    keeper: HeldLease, clock: ManualClock, fault: str
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    setattr(keeper, fault, True)
    for _ in range(20):
        clock.advance(2)
        await one.attempt()
        await other.attempt()
    setattr(keeper, fault, False)
    assert not await other.attempt()
    assert await one.attempt()
    assert one.leadership.term == 0
    assert other.leadership.holder == "one" or not await other.attempt()


@pytest.mark.parametrize("tries", range(8, 26))
async def test_whenever_the_lease_takes_writes_again_its_holder_writes_first(
    keeper: HeldLease, clock: ManualClock, tries: int
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    keeper.read_only = True  # others see a lease that is not renewed, and cannot know why
    for _ in range(tries):
        clock.advance(2)
        await one.attempt()
        await other.attempt()
    keeper.read_only = False
    clock.advance(2)
    assert not await other.attempt()
    assert await one.attempt()
    assert one.leadership.term == 0
    for _ in range(10):
        clock.advance(2)
        assert await one.attempt()
        assert not await other.attempt()


async def test_a_leader_that_dies_while_the_lease_takes_no_writes_is_followed_a_lease_later(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    keeper.read_only = True
    for _ in range(20):
        clock.advance(2)
        await other.attempt()
    keeper.read_only = False
    led = []
    for _ in range(16):
        clock.advance(2)
        led.append(await other.attempt())
    assert True in led


async def test_a_leader_that_dies_while_the_lease_is_out_of_reach_is_followed_a_lease_later(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    keeper.away = True
    for _ in range(20):
        clock.advance(2)
        await other.attempt()
    keeper.away = False
    led = []
    for _ in range(9):
        clock.advance(2)
        led.append(await other.attempt())
    assert led.index(True) in (6, 7)


async def test_a_try_that_fails_now_and_then_delays_a_takeover_by_no_more_than_itself(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    for turn in range(1, 13):
        clock.advance(2)
        keeper.away = turn == 3
        if await other.attempt():
            break
    # Tries 2 s apart see a lease of 15 s run out at the eighth; the time from the last answer until the failure does not count.
    assert turn == 9


async def test_who_cannot_reach_the_lease_tends_on_until_the_longest_try_is_over(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock)
    await one.attempt()
    clock.advance(20)
    keeper.away = True
    assert not await one.attempt()
    timings = Timings.of(15)
    clock.advance(timings.retry_s + 3 * timings.try_s)  # a reading, a probe and a write, each answered late
    assert one.leadership.may_tend()
    clock.advance(timings.retry_s)
    assert not one.leadership.may_tend()


async def test_a_leader_that_was_frozen_tends_nothing_before_it_has_looked(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock)
    await one.attempt()
    clock.advance(60)
    assert one.leadership.on_duty
    assert not one.leadership.may_tend()


async def test_a_deleted_lease_is_written_anew_and_counts_on(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await one.elector.resign()
    await other.attempt()
    await one.attempt()
    keeper.lease = None
    assert await other.attempt()
    assert other.leadership.term == 2
    assert not await one.attempt()


async def test_a_lease_that_vanishes_is_left_to_its_holder_for_as_long_as_that_may_act(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    keeper.lease = None
    assert not await other.attempt()
    assert one.leadership.is_leading()
    clock.advance(14.9)
    assert not await other.attempt()
    assert not one.leadership.is_leading()
    clock.advance(0.1)
    assert await other.attempt()
    assert other.leadership.term == 1


async def test_a_term_that_was_found_is_outbid(keeper: HeldLease, clock: ManualClock) -> None:
    one = Candidate(keeper, "one", clock)
    await one.attempt()
    await one.leadership.outbid(7)
    assert one.leadership.term == 8
    assert keeper.lease is not None
    assert keeper.lease.term == 8
    await one.leadership.outbid(7)
    assert one.leadership.term == 8


async def test_who_no_longer_holds_the_lease_outbids_nobody(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    await one.attempt()
    await other.attempt()
    clock.advance(15)
    await other.attempt()
    with pytest.raises(NotLeading):
        await one.leadership.outbid(1)
    assert keeper.lease is not None
    assert (keeper.lease.holder, keeper.lease.term) == ("other", 1)


async def test_an_election_goes_on_by_itself(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    running = [asyncio.create_task(candidate.elector.run()) for candidate in (one, other)]
    await until(lambda: len(clock.sleeping_until_s) == 2)
    assert one.leadership.is_leading()
    running[0].cancel()
    for _ in range(10):
        clock.advance(3)
        await until(lambda: len(clock.sleeping_until_s) >= 1)
        await asyncio.sleep(0)
    await until(other.leadership.is_leading)
    running[1].cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_work_is_done_on_duty_and_always_undone(keeper: HeldLease, clock: ManualClock) -> None:
    one, other = Candidate(keeper, "one", clock), Candidate(keeper, "other", clock)
    said: list[str] = []
    ending = asyncio.Event()

    @asynccontextmanager
    async def work() -> AsyncIterator[None]:
        said.append("begun")
        try:
            yield
        finally:
            said.append("ended")

    serving = asyncio.create_task(serve(one.leadership, work, clock, ending))
    await asyncio.sleep(0)
    assert said == []
    await one.attempt()
    await until(lambda: said == ["begun"])
    await other.attempt()
    clock.advance(15)
    await other.attempt()
    await one.attempt()
    await until(lambda: said == ["begun", "ended"])
    await other.elector.resign()
    await one.attempt()
    await until(lambda: said == ["begun", "ended", "begun"])
    ending.set()
    await serving
    assert said == ["begun", "ended", "begun", "ended"]


async def test_work_that_fails_is_begun_again(keeper: HeldLease, clock: ManualClock) -> None:
    one = Candidate(keeper, "one", clock)
    begun = 0
    ending = asyncio.Event()

    @asynccontextmanager
    async def work() -> AsyncIterator[None]:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise RuntimeError("not this time")
        yield

    serving = asyncio.create_task(serve(one.leadership, work, clock, ending))
    await one.attempt()
    await until(lambda: bool(clock.sleeping_until_s))
    clock.advance(1)
    await until(lambda: begun == 2)
    ending.set()
    await serving


async def test_an_end_that_comes_while_another_takes_over_leaves_nothing_half_undone(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock)
    said: list[str] = []
    ending, stopped = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def work() -> AsyncIterator[None]:
        said.append("begun")
        try:
            yield
        finally:
            said.append("stopping")
            await stopped.wait()
            said.append("ended")

    serving = asyncio.create_task(serve(one.leadership, work, clock, ending))
    await one.attempt()
    await until(lambda: said == ["begun"])
    one.leadership.yield_to("other")
    await until(lambda: said == ["begun", "stopping"])
    ending.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not serving.done()
    stopped.set()
    await serving
    assert said == ["begun", "stopping", "ended"]


async def test_where_each_answer_takes_nearly_a_tries_time_somebody_leads_all_the_same(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock, lease_s=3.0)
    keeper.takes_s = 0.6  # of 1: a reading and a write take longer together
    assert await one.attempt()
    assert one.recorder.of(LeaseFailed) == []


async def test_a_try_that_came_too_late_leaves_its_connection_to_the_next(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock, lease_s=3.0)
    keeper.opening_s = 1.5  # of 1
    assert not await one.attempt()
    assert [failed.error for failed in one.recorder.of(LeaseFailed)] == ["no answer within 1 s"]
    await until(lambda: keeper.is_open)  # nobody waits for it any more
    assert await one.attempt()
    keeper.opening_s, keeper.is_open = 60.0, False
    await one.attempt()
    assert len(one.recorder.of(LeaseFailed)) == 2
    keeper.opening_s = 0.0
    await asyncio.wait_for(one.elector.resign(), 30)  # waits for nothing that is late


async def test_a_term_that_cannot_be_raised_for_want_of_an_answer_is_an_error_of_ours(
    keeper: HeldLease, clock: ManualClock
) -> None:
    one = Candidate(keeper, "one", clock, lease_s=1.0)
    await one.attempt()
    keeper.takes_s = 60.0
    with pytest.raises(LeaseUnanswered, match=r"no answer within 0\.333333 s"):
        await one.leadership.outbid(3)


async def test_who_is_alone_leads_always(clock: ManualClock) -> None:
    leadership = Leadership.undisputed(clock)
    clock.advance(1e9)
    leadership.check()
    assert not leadership.elected
    await leadership.outbid(3)
    assert leadership.term == 4


@pytest.mark.parametrize("lease_s", [0.0, 0.9, float("nan")])
def test_a_lease_too_short_to_be_renewed_is_refused(lease_s: float) -> None:
    with pytest.raises(ConfigurationError, match="too short: give at least 1 s"):
        Timings.of(lease_s)
