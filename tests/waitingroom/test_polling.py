"""P3's other half: however many wait, together they stay within the poll budget, and whoever asks hears of the turn in time."""

import math
import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.waitingroom.samples import KEYRING, device, onsale, quiet_snapshot
from waitingroom.polling import Asking, asking_for, asking_of, budget_for, largest_draw, longest_line
from waitingroom.reach import Course, course_of
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.snapshot import Line
from waitingroom.store.client import OnsaleStore

BUDGET_PER_S = 1_000.0
ENTERS_WITHIN = 0.25
"""Of a claim window, that is left to whoever hears of the turn at the very last."""
BEYOND_THE_BUDGET = {
    # Lines for which a thousand questions a second are too few, by length, rate and claim window.
    (100_000, 500.0, 30.0),
    (1_000_000, 150.0, 30.0),
    (1_000_000, 500.0, 30.0),
    (1_000_000, 500.0, 120.0),
    (1_000_000, 500.0, 600.0),
}
lengths = pytest.mark.parametrize("waiting", [100, 1_000, 10_000, 100_000, 1_000_000])
rates = pytest.mark.parametrize("rate", [0.1, 1.0, 20.0, 150.0, 500.0])
windows = pytest.mark.parametrize("claim_within_s", [30.0, 120.0, 600.0])


def asking_at(waiting: int, rate: float, claim_within_s: float, budget_per_s: float = BUDGET_PER_S) -> Asking:
    """Return how often a line asks that has just opened."""
    snapshot = quiet_snapshot(lines=(Line(1, waiting, 0, 0),), rate_per_s=rate, burst=max(1, int(rate)))
    return asking_of(snapshot, budget_per_s, ceiling_per_s=rate, claim_within_s=claim_within_s)


def asked_per_s(asking: Asking) -> float:
    """Return how many questions/s a line asks that stands still."""
    waiting = asking.waiting
    step = max(1, waiting // 20_000)
    return sum(step / asking.retry_after_s(ahead, ahead) for ahead in range(step // 2, waiting, step))


def ends_of(waiting: int) -> list[int]:
    """Return people ahead from the front to the end of a line, more of them near the front."""
    return sorted({0, 1, waiting - 1, *(int(waiting ** (step / 40)) for step in range(40))})


@pytest.mark.parametrize("waiting", [1, 50, 1_000, 30_000, 1_000_000])
@pytest.mark.parametrize("budget", [50.0, 1_000.0, 5_000.0])
def test_all_waiting_buyers_together_stay_within_the_budget(waiting: int, budget: float) -> None:
    # An even spread of +-20 % around an interval raises the mean of its inverse by 1.4 %.
    assert asked_per_s(asking_for(waiting, budget)) <= min(waiting / 0.4, budget * 1.02) + 1.5


@lengths
@rates
@windows
def test_they_do_so_however_fast_the_line_moves(waiting: int, rate: float, claim_within_s: float) -> None:
    asked = asked_per_s(asking_at(waiting, rate, claim_within_s))
    assert asked <= min(waiting / 0.4, BUDGET_PER_S * 1.02) + 1.5


@lengths
@rates
@windows
def test_whoever_asks_hears_of_the_turn_while_there_is_time_to_enter(
    waiting: int, rate: float, claim_within_s: float
) -> None:
    """By the bucket alone (P4), from the moment of the question on, whatever the line did before and will do."""
    asking = asking_at(waiting, rate, claim_within_s)
    assert asking.in_time is ((waiting, rate, claim_within_s) not in BEYOND_THE_BUDGET)
    if not asking.in_time:
        return
    for ahead in ends_of(waiting):
        # What the bucket holds at the most goes at once, the others follow by the rate; one in twelve does not come.
        turn_s = max(0.0, (ahead + 1 - max(1, rate)) / rate) / (1.0 + 1.0 / 12.0)
        latest_s = turn_s + (1.0 - ENTERS_WITHIN) * claim_within_s
        assert max(asking.retry_after_s(ahead, salt) for salt in range(200)) <= latest_s


@lengths
@rates
@windows
def test_those_who_are_near_ask_at_most_half_as_often_for_it(
    waiting: int, rate: float, claim_within_s: float
) -> None:
    plain, asking = asking_for(waiting, BUDGET_PER_S), asking_at(waiting, rate, claim_within_s)
    for ahead in ends_of(waiting):
        assert asking.interval_s(ahead) <= 2.0 * plain.interval_s(ahead) * (1.0 + 1e-9)


@pytest.mark.parametrize(("waiting", "rate", "claim_within_s"), sorted(BEYOND_THE_BUDGET))
def test_a_budget_that_is_too_small_serves_as_high_a_rate_as_it_can(
    waiting: int, rate: float, claim_within_s: float
) -> None:
    asking = asking_at(waiting, rate, claim_within_s)
    served = 1.0 / (asking.latest_per_ahead_s * 1.2 * 1.1)
    assert BUDGET_PER_S / math.log(waiting / BUDGET_PER_S) / 1.5 < served < rate
    assert asking_at(waiting, served * 0.99, claim_within_s).in_time
    assert not asking_at(waiting, served * 1.01, claim_within_s).in_time


def test_the_longest_line_and_the_least_budget_are_each_others_answer() -> None:
    course = Course(500.0, 120.0)
    longest = longest_line(BUDGET_PER_S, course)
    assert 50_000 < longest < 200_000
    assert asking_for(longest, BUDGET_PER_S, course).in_time
    assert not asking_for(int(longest * 1.01), BUDGET_PER_S, course).in_time
    assert budget_for(longest, course) == pytest.approx(BUDGET_PER_S, rel=0.01)
    assert longest_line(BUDGET_PER_S, Course(20.0, 120.0)) == 10**9
    assert largest_draw(BUDGET_PER_S, 120.0) == 109_090


def test_the_page_about_fairness_names_the_highest_rates_at_which_nobody_is_late() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "fairness.md").read_text()
    rows = [
        line.strip("|").split("|") for line in page.splitlines() if line.startswith("|") and "0/s |" in line
    ]
    assert len(rows) == 3
    for waiting, *told in rows:
        for claim_within_s, cell in zip((30.0, 120.0, 600.0), told, strict=True):
            line, rate = (float(text.strip(" /s").replace(",", "")) for text in (waiting, cell))
            assert asking_at(int(line), rate, claim_within_s).in_time
            if rate < 5_000.0:
                assert not asking_at(int(line), 1.05 * rate, claim_within_s).in_time
            assert asking_at(int(5 * line), 5 * rate, claim_within_s, 5 * BUDGET_PER_S).in_time


def steady(at_s: float) -> float:
    """Return how many seconds of the full rate have gone by."""
    return at_s


def paused(at_s: float) -> float:
    """Open for a minute, held for ten, and so on."""
    rounds, rest_s = divmod(at_s, 660.0)
    return 60.0 * rounds + min(rest_s, 60.0)


def late(at_s: float) -> float:
    """Hardly move for an hour, and then as fast as can be."""
    return 0.05 * min(at_s, 3_600.0) + max(0.0, at_s - 3_600.0)


@pytest.mark.parametrize("course", [steady, paused, late])
@pytest.mark.parametrize(
    ("waiting", "rate", "claim_within_s"),
    [(1_000_000, 150.0, 120.0), (100_000, 500.0, 120.0), (100_000, 200.0, 30.0), (20_000, 500.0, 30.0)],
)
def test_nobody_in_a_line_that_moves_asks_too_late(
    course: Callable[[float], float], waiting: int, rate: float, claim_within_s: float
) -> None:
    """Each asks when told to, from a moment of their own on, until the turn has come."""
    rng = random.Random(20_261_205)
    heard_after_s = []

    @lru_cache(None)
    def asking(tenth: int) -> Asking:
        return asking_at(max(0, waiting - int(rate * course(tenth * 10.0))), rate, claim_within_s)

    for number in (rng.randint(1, waiting) for _ in range(150)):
        at_s = rng.random() * 20.0
        missed_s = None
        while (ahead := number - int(rate * course(at_s)) - 1) >= 0:
            missed_s, at_s = at_s, at_s + asking(int(at_s / 10.0)).retry_after_s(ahead, number)
        if missed_s is None:
            continue
        # When the turn came, somewhere between the last two questions.
        low_s, high_s = missed_s, at_s
        for _ in range(40):
            middle_s = (low_s + high_s) / 2.0
            low_s, high_s = (middle_s, high_s) if rate * course(middle_s) < number else (low_s, middle_s)
        heard_after_s.append(at_s - high_s)
    assert len(heard_after_s) > 100
    assert max(heard_after_s) <= (1.0 - ENTERS_WITHIN) * claim_within_s


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([20.0, 500.0]))
def test_who_stands_further_back_asks_less_often(ahead: int, further: int, salt: int, rate: float) -> None:
    near, far = sorted((ahead, further))
    asking = asking_at(10**6, rate, 120.0)
    assert asking.retry_after_s(near, salt) <= asking.retry_after_s(far, salt)
    assert asking.retry_after_s(near, salt) >= 0.4


def test_buyers_of_one_arrival_do_not_come_back_together() -> None:
    asking = asking_for(2_000, 100)
    answers = {round(asking.retry_after_s(1_000, number), 1) for number in range(1_000)}
    assert len(answers) > 30


def test_a_rush_that_the_counters_do_not_know_yet_stays_within_the_budget() -> None:
    """Whoever joined since the copy was taken stands behind all that it knows of."""
    asking, joined = asking_at(0, 20.0, 120.0), 20_000
    assert sum(1.0 / asking.retry_after_s(ahead, ahead) for ahead in range(joined)) <= 4.0 * BUDGET_PER_S


def test_turns_that_no_shows_give_back_make_a_line_faster() -> None:
    calm = quiet_snapshot(rate_per_s=10.0)
    assert course_of(calm, 20.0, 60.0) == Course(pytest.approx(22.0), 60.0)
    third = quiet_snapshot(rate_per_s=10.0, claimed=2_000, no_shows=1_000)
    assert course_of(third, 20.0, 60.0).fastest_per_s == pytest.approx(30.0, rel=0.01)
    bots = quiet_snapshot(rate_per_s=10.0, claimed=0, no_shows=1_000)
    assert course_of(bots, 20.0, 60.0).fastest_per_s == pytest.approx(80.0)
    # Another process has put a document with a higher rate in force.
    assert course_of(quiet_snapshot(rate_per_s=40.0), 20.0, 60.0).fastest_per_s == pytest.approx(44.0)


def test_a_bucket_that_lets_many_in_at_once_counts_as_a_faster_line() -> None:
    snapshot = quiet_snapshot(lines=(Line(1, 50_000, 0, 0),), rate_per_s=1.0, burst=3_000)
    asking = asking_of(snapshot, BUDGET_PER_S, ceiling_per_s=1.0, claim_within_s=60.0)
    assert asking.in_time
    assert all(asking.retry_after_s(2_999, salt) <= 0.8 * 60.0 for salt in range(200))


async def test_a_room_tells_it_by_its_own_document(client: Redis) -> None:
    fast = onsale(admission={"rate": "150/s", "burst": 150, "claimWithin": "60s"})
    room = Room(
        fast, OnsaleStore(client, "cactus", room_settings(fast)), KEYRING, poll_budget_per_s=BUDGET_PER_S
    )
    await room.move()
    assert room.snapshot is not None
    await client.hset("{cactus}:room", f"tail:{room.snapshot.epoch}", "399999")
    _, place = await room.join(device(1))
    await room.refresh()
    ahead, asking = room.standing(place).ahead or 0, room.asking
    assert ahead > 390_000
    assert room.standing(place).retry_after_s == asking.retry_after_s(ahead, place.number)
    latest_s, plain = ahead / 150.0 + 45.0, asking_for(ahead, BUDGET_PER_S)
    assert 1.2 * asking.interval_s(ahead) < latest_s < 1.2 * plain.interval_s(ahead)
