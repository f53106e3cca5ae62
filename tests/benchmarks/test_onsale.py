"""The closed loop in virtual time: what the model does, and P11 over whole onsales (deterministic for a seed)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from rulebook.simulation import Segment, Trace
from tests.benchmarks.onsale.contest import Scores, believed_rate, contest
from tests.benchmarks.onsale.crowd import Buyer, rush
from tests.benchmarks.onsale.optimum import highest_rate, optimum
from tests.benchmarks.onsale.sale import Scenario
from tests.benchmarks.onsale.scenarios import SCENARIOS, TERMS, trace_scenario
from tests.benchmarks.onsale.shop import Shop, ShopTerms
from tests.benchmarks.onsale.waits import Truth, truth_of

EXACT = ShopTerms(workers=1, mean_service_s=1.0, spread=0.0, startup_s=10.0, least=1, most=4)
BELIEVED_PER_S = 2.6
PROMISED = ("rush", "prequeue", "replica-loss")


def ignore(_: float) -> None:
    return None


def patient(arrives_s: float) -> Buyer:
    return Buyer(arrives_s, reaction_s=0.0, pauses_s=(2.0,), no_show=False)


@pytest.fixture(scope="module")
def load_tested() -> float:
    return believed_rate(TERMS, seed=1)


def run(name: str, crowd: int, believed: float) -> dict[str, Scores]:
    scenario = SCENARIOS[name](crowd, 1)
    return contest(scenario, 1, believed_per_s=believed, true_per_s=believed, contenders=["tidegate"]).scores


def compete(scenario: Scenario, *names: str) -> dict[str, Scores]:
    return contest(
        scenario, 1, believed_per_s=BELIEVED_PER_S, true_per_s=BELIEVED_PER_S, contenders=names
    ).scores


def test_requests_wait_for_a_worker_in_the_order_in_which_they_came() -> None:
    shop, answered = Shop(EXACT, 1, 0.0), list[float]()
    for _ in range(3):
        shop.request(0.0, ignore, answered.append)
    shop.advance(10.0)
    assert answered == pytest.approx([1.0, 2.0, 3.0])
    assert (shop.requests, shop.violations) == (3, 1)  # the third took more than 2 s


def test_a_replica_serves_once_it_has_started() -> None:
    shop, answered = Shop(EXACT, 1, 0.0), list[float]()
    shop.scale(2, 0.0)
    for _ in range(20):
        shop.request(0.0, ignore, answered.append)
    shop.advance(30.0)
    assert (shop.ordered, shop.ready) == (2, 2)
    assert answered[-1] == pytest.approx(15.0)  # ten by one replica, then five pairs
    assert shop.replica_seconds == pytest.approx(60.0)


def test_a_dying_replica_fails_what_it_serves_and_is_replaced() -> None:
    shop, answered = Shop(EXACT, 1, 0.0), list[float]()
    shop.request(0.0, ignore, answered.append)
    shop.advance(0.5)
    shop.kill(0.5)
    shop.advance(5.0)
    assert (shop.ordered, shop.ready, answered) == (1, 0, [])
    shop.advance(20.0)
    assert answered == pytest.approx([11.5])
    assert shop.violations == 2  # the failed request, and the one sent again, which waited for the successor


def test_a_load_test_finds_a_rate_just_below_what_the_workers_could_do() -> None:
    rate = highest_rate(replace(TERMS, slo_s=1.2, most=4), seed=1)
    assert 0.7 * 16.0 < rate < 16.0


def test_the_optimum_is_the_capacity_s_integral() -> None:
    buyers = [patient(0.0) for _ in range(50)]
    best = optimum(buyers, EXACT, 1.0, warm=False, lost_at_s=None, begins_s=-10.0)
    # Ten by one replica while the others start, forty by four in ten seconds, and two seconds inside.
    assert best.drained_s == pytest.approx(22.0, abs=0.5)
    warm = optimum(buyers, EXACT, 1.0, warm=True, lost_at_s=None, begins_s=-10.0)
    assert warm.drained_s == pytest.approx(14.5, abs=0.5)
    assert max(warm.replicas) == 4


def test_the_optimum_misses_all_who_die() -> None:
    buyers = [patient(0.0) for _ in range(50)]
    one = optimum(buyers, EXACT, 1.0, warm=True, lost_at_s=0.0, begins_s=-10.0)
    three = optimum(buyers, EXACT, 1.0, warm=True, lost_at_s=0.0, lost=3, begins_s=-10.0)
    # Thirty in ten seconds by three, or ten by one, before the shop is whole again.
    assert one.drained_s == pytest.approx(17.0, abs=0.5)
    assert three.drained_s == pytest.approx(22.0, abs=0.5)


def test_buyers_are_the_same_for_a_seed_and_come_within_a_minute() -> None:
    assert rush(100, 5) == rush(100, 5) != rush(100, 6)
    assert all(0.0 <= buyer.arrives_s <= 60.0 for buyer in rush(1000, 1))


def test_nobody_is_lost_or_let_in_out_of_turn_or_beyond_the_bucket() -> None:
    (scores,) = run("prequeue", 1500, BELIEVED_PER_S).values()
    assert (scores.lost, scores.inversions, scores.over_admitted) == (0, 0.0, 0.0)
    assert scores.slo_violation_share < 0.001


def test_the_hpa_alone_lets_the_crowd_trample_the_shop() -> None:
    scores = compete(Scenario("rush", rush(1500, 1), TERMS), "hpa", "fixed")
    assert scores["hpa"].slo_violation_share > 0.5
    assert scores["fixed"].lost == 0


@pytest.mark.parametrize("name", ["rush", "prequeue"])
def test_a_prepared_rate_is_as_good_as_the_loop_while_its_numbers_are_true(name: str) -> None:
    scores = compete(SCENARIOS[name](1500, 1), "tidegate", "tidegate-scheduled", "prepared")
    assert scores["prepared"].slo_violation_share < 0.001
    assert scores["prepared"].drain_s < scores["tidegate"].drain_s
    assert scores["tidegate-scheduled"].drain_s == pytest.approx(scores["prepared"].drain_s, abs=1.0)


def test_a_prepared_rate_goes_on_when_half_of_the_shop_is_gone() -> None:
    lossy = Scenario("zone-loss", rush(3000, 1), TERMS, lost_at_s=20.0, lost=10)
    scores = compete(lossy, "tidegate-scheduled", "prepared")
    assert scores["prepared"].slo_violation_share > 2 * scores["tidegate-scheduled"].slo_violation_share
    assert scores["tidegate-scheduled"].lost == scores["prepared"].lost == 0


EVENING = Trace(
    "evening",
    tuple(
        Segment(seconds, rate_per_s)
        for seconds, rate_per_s in ((120, 2.0), (60, 10.0), (90, 40.0), (60, 20.0), (60, 6.0), (120, 2.0))
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("play", "seed"),
    [
        *(pytest.param(partial(SCENARIOS[name], 12_000), 1, id=name) for name in PROMISED),
        pytest.param(partial(SCENARIOS["rush"], 12_000), 2, id="rush, another seed"),
        pytest.param(partial(trace_scenario, EVENING, TERMS.most * BELIEVED_PER_S), 2, id="a trace"),
    ],
)
def test_p11_the_crowd_is_served_within_a_tenth_of_the_optimum(
    play: Callable[[int], Scenario], seed: int, load_tested: float
) -> None:
    played = contest(
        play(seed), seed, believed_per_s=load_tested, true_per_s=load_tested, contenders=["tidegate"]
    )
    (scores,) = played.scores.values()
    assert scores.drain_ratio <= 1.10
    assert scores.slo_violation_share < 0.001
    assert scores.replica_hours_ratio <= 1.25
    assert (scores.lost, scores.inversions, scores.over_admitted) == (0, 0.0, 0.0)


def test_waits_are_counted_by_the_first_range_told_and_by_later_ones() -> None:
    told = [
        [(0.0, 10.0, 30.0), (10.0, 30.0, 40.0)],
        [(0.0, 10.0, 30.0), (10.0, 5.0, 15.0)],
        [],
        [(0.0, 1.0, 2.0)],
    ]
    truth = truth_of(told, [20.0, 40.0, 5.0, None])
    assert truth == Truth(buyers=2, first=0.5, later=0.0, width=1.0)
    assert truth_of([[]], [1.0]) is None


@pytest.mark.parametrize("name", ["rush", "slow-shop"])
def test_four_in_five_waits_of_the_closed_loop_end_within_what_was_told(name: str) -> None:
    scenario = SCENARIOS[name](1500, 1)
    true_per_s = BELIEVED_PER_S / scenario.terms.slowdown
    (scores,) = contest(
        scenario, 1, believed_per_s=BELIEVED_PER_S, true_per_s=true_per_s, contenders=["tidegate"]
    ).scores.values()
    assert scores.told is not None
    assert scores.told.buyers > 1400
    assert min(scores.told.first, scores.told.later) >= 0.80
    # Most of so short a line waits for replicas that are starting, and for little else.
    assert scores.told.width <= 1.25


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rush", "prequeue", "replica-loss", "zone-loss", "slow-shop"])
@pytest.mark.parametrize("contender", ["tidegate", "tidegate-scheduled"])
def test_waits_of_a_large_crowd_end_within_what_was_told(
    name: str, contender: str, load_tested: float
) -> None:
    scenario = SCENARIOS[name](12_000, 1)
    (scores,) = contest(
        scenario,
        1,
        believed_per_s=load_tested,
        true_per_s=load_tested / scenario.terms.slowdown,
        contenders=[contender],
    ).scores.values()
    assert scores.told is not None
    assert min(scores.told.first, scores.told.later) >= 0.80
    assert scores.told.width <= 1.1
