"""The bound on admissions is sound (a correct queue is never blamed) and sharp (5 % too many are caught)."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.system.demo_builders import OPENS, seen, steady
from tidegate.demo.overadmission import CLOCK_SLACK_S, Allowance, Ceiling, over_admitted, within
from tidegate.demo.records import RateSample, ServedEntry, TargetSample

CLAIM_WINDOW_S = 5.0


def over(served: list[ServedEntry], rates: list[RateSample]) -> int:
    return over_admitted(served, rates, OPENS)


def test_no_session_is_no_excess() -> None:
    assert over([], []) == 0


def test_sessions_without_any_sample_of_the_rate_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="no sample of the rate"):
        over([seen("a", OPENS)], [])


def test_a_bucketful_at_the_opening_is_allowed() -> None:
    rates = steady(10.0, OPENS + 10)
    assert over([seen(f"s{number}", OPENS + 0.01) for number in range(10)], rates) == 0


def test_beyond_the_bucketful_each_session_counts() -> None:
    rates = steady(10.0, OPENS + 10)
    assert over([seen(f"s{number}", OPENS + 0.01) for number in range(13)], rates) == 3


def test_a_burst_above_the_rate_is_the_bucket() -> None:
    rates = steady(2.0, OPENS + 10, burst=13)
    assert over([seen(f"s{number}", OPENS + 0.01) for number in range(13)], rates) == 0


def test_before_the_opening_nobody_may_be_inside() -> None:
    assert over([seen("early", OPENS - 1.0)], steady(10.0, OPENS + 10)) == 1


def test_a_session_counts_when_it_is_first_seen_and_only_once() -> None:
    rates = steady(1.0, OPENS + 10)
    again = [seen("a", OPENS + at) for at in (0.1, 0.2, 0.3)]
    assert over([*again, seen("b", OPENS + 1.1)], rates) == 0
    assert over([*again, seen("b", OPENS + 0.5)], rates) == 1


def test_the_worst_moment_counts_not_the_last() -> None:
    rates = steady(1.0, OPENS + 100)
    served = [seen(f"s{number}", OPENS + 1.0) for number in range(8)]
    # One from the bucket and one from the first second are allowed then, a hundred by the end.
    assert over([*served, seen("last", OPENS + 90.0)], rates) == 6


def test_the_higher_of_two_neighbouring_samples_counts_between_them() -> None:
    allowance = Allowance([RateSample(OPENS, 10.0, 1), RateSample(OPENS + 2, 30.0, 1)], OPENS)
    assert allowance.by(OPENS + 1 - CLOCK_SLACK_S) == pytest.approx(30.0 + 1 * 30.0)
    assert allowance.by(OPENS + 4 - CLOCK_SLACK_S) == pytest.approx(30.0 + 4 * 30.0)


def test_samples_that_begin_after_the_opening_count_back_to_it() -> None:
    allowance = Allowance([RateSample(OPENS + 1, 10.0, 1), RateSample(OPENS + 2, 20.0, 1)], OPENS)
    assert allowance.by(OPENS + 2 - CLOCK_SLACK_S) == pytest.approx(10.0 + 10.0 + 20.0)


def test_a_rate_before_the_opening_fills_the_bucket_and_no_more() -> None:
    rates = [RateSample(OPENS - 60, 50.0, 1), RateSample(OPENS - 1, 4.0, 1), RateSample(OPENS + 1, 4.0, 1)]
    assert Allowance(rates, OPENS).by(OPENS - CLOCK_SLACK_S) == pytest.approx(4.0)


CEILING = Ceiling(60.0, burst=20, fallback_per_s=2.0)


def a_flood(per_s: float, seconds: float) -> list[ServedEntry]:
    """So many sessions a second, from the opening on."""
    return [seen(f"s{number}", OPENS + number / per_s) for number in range(int(seconds * per_s))]


def told(targets: list[TargetSample], at_s: float, rate_per_s: float = 60.0) -> float:
    """The rate that counts at one moment, whatever the room said."""
    (sample,) = within([RateSample(OPENS + at_s, rate_per_s, 20)], CEILING, targets)
    return sample.rate_per_s


def a_target(from_s: float, rate_per_s: float, for_s: float = 17.0) -> TargetSample:
    return TargetSample(OPENS + from_s, OPENS + from_s + for_s, rate_per_s)


def test_a_room_that_tells_a_higher_rate_than_the_scaler_allowed_is_found_out() -> None:
    lies = steady(60.0, OPENS + 10, burst=20)
    flood = a_flood(60.0, 10)
    assert over(flood, lies) == 0
    targets = [a_target(at_s, 16.0) for at_s in range(-5, 11)]
    # The bucket holds 20, and 16/s are allowed for ten seconds.
    assert over(flood, within(lies, CEILING, targets)) == pytest.approx(600 - 180, abs=2)


def test_a_room_that_tells_a_higher_rate_than_the_document_allows_is_found_out() -> None:
    lies = steady(80.0, OPENS + 10, burst=400)
    assert over(a_flood(80.0, 10), lies) == 0
    assert over(a_flood(80.0, 10), within(lies, CEILING)) == pytest.approx(800 - 660, abs=5)


def test_what_the_room_tells_counts_where_it_is_less() -> None:
    assert told([a_target(0, 16.0)], 1, rate_per_s=5.0) == 5.0


def test_between_two_targets_the_higher_one_counts() -> None:
    falling, rising = [a_target(0, 48.0), a_target(1, 40.0)], [a_target(0, 40.0), a_target(1, 48.0)]
    assert [told(targets, 0.5) for targets in (falling, rising)] == [48.0, 48.0]
    assert [told(targets, 1.0) for targets in (falling, rising)] == [40.0, 48.0]


def test_before_the_first_target_only_the_document_counts() -> None:
    assert told([a_target(0, 16.0)], -1, rate_per_s=80.0) == 60.0


def test_after_a_target_has_expired_the_fallback_rate_is_allowed() -> None:
    assert told([a_target(0, 16.0)], 17.0) == 2.0
    without = Ceiling(60.0, 20)
    (sample,) = within([RateSample(OPENS + 17.0, 60.0, 20)], without, [a_target(0, 16.0)])
    assert sample.rate_per_s == 16.0


def test_the_fallback_rate_is_allowed_where_a_target_was_lost() -> None:
    assert told([a_target(0, 0.0)], 1, rate_per_s=2.0) == 2.0


@dataclass(frozen=True)
class Run:
    """What a simulated queue left behind."""

    served: list[ServedEntry]
    rates: list[RateSample]


def simulate(seed: int, *, buyers: int, too_many: float, steady_rate: float | None = None) -> Run:
    """A token bucket in steps of 50 ms, exact but for its rate being `too_many` times what it tells.

    Everyone is there at the opening and comes up to a second after the turn. A tenth never claims; their tokens come back when
    the claim window has passed.
    """
    dice = random.Random(seed)
    rate, tokens, released, now = steady_rate or dice.uniform(5, 60), 0.0, 0, OPENS - 2.0
    burst = dice.choice([1, 20])
    rates: list[RateSample] = []
    given_back: list[float] = []
    leaves = [dice.random() < 0.1 for _ in range(buyers)]
    released_at: list[float] = []
    step = 0
    while released < buyers:
        if step % 4 == 0:
            rates.append(RateSample(now, rate, burst))
        if steady_rate is None and step % 60 == 59:
            rate = dice.choice([8.0, 16.0, 24.0, 48.0])
        now += 0.05
        step += 1
        size = max(float(burst), rate)
        tokens = min(size, tokens + too_many * rate * 0.05)
        while given_back and given_back[0] <= now:
            given_back.pop(0)
            tokens = min(size, tokens + 1.0)
        while now >= OPENS and tokens >= 1.0 and released < buyers:
            tokens -= 1.0
            released_at.append(now)
            if leaves[released]:
                given_back.append(now + CLAIM_WINDOW_S)
            released += 1
    rates.append(RateSample(now, rate, burst))
    served = [
        seen(f"s{number}", at + dice.random(), number)
        for number, at in enumerate(released_at)
        if not leaves[number]
    ]
    return Run(served, rates)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), buyers=st.integers(1, 600))
def test_a_correct_queue_is_never_blamed(seed: int, buyers: int) -> None:
    run = simulate(seed, buyers=buyers, too_many=1.0)
    assert over(run.served, run.rates) == 0


@pytest.mark.parametrize("seed", range(5))
def test_five_percent_too_many_are_caught(seed: int) -> None:
    run = simulate(seed, buyers=4000, too_many=1.05, steady_rate=40.0)
    assert over(run.served, run.rates) > 0
