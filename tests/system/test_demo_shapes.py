"""The plan of a crowd: the same for the same seed, and of the shape it says."""

from __future__ import annotations

from collections import Counter

import pytest

from tidegate.demo.shapes import PREQUEUE_SPREAD_S, Arrivals, Kind, plan


def test_the_same_seed_gives_the_same_crowd() -> None:
    assert plan(500, 60.0, seed=7) == plan(500, 60.0, seed=7)
    assert plan(500, 60.0, seed=7) != plan(500, 60.0, seed=8)


def test_three_in_ten_come_before_the_opening_and_within_its_last_seconds() -> None:
    crowd = plan(1000, 60.0, seed=1)
    early = [buyer for buyer in crowd if buyer.arrive_at_s < 0]
    assert len(early) == 300
    assert min(buyer.arrive_at_s for buyer in early) >= -PREQUEUE_SPREAD_S


def test_the_rush_is_mostly_over_after_a_quarter_of_the_run() -> None:
    crowd = plan(10_000, 60.0, seed=1)
    after = [buyer.arrive_at_s for buyer in crowd if buyer.arrive_at_s >= 0]
    assert len(after) == 7000
    assert max(after) <= 60.0
    # 95 % of the rush (4000) and a quarter of the tail (3000) come in the first 15 s.
    assert sum(at < 15.0 for at in after) == pytest.approx(4550, rel=0.03)


def test_in_a_rush_nobody_is_early_and_all_come_in_the_first_seconds() -> None:
    times_s = [buyer.arrive_at_s for buyer in plan(1000, 5.0, seed=1, arrivals=Arrivals.RUSH)]
    assert min(times_s) >= 0.0
    assert max(times_s) <= 5.0
    assert sum(at_s < 2.5 for at_s in times_s) == pytest.approx(500, abs=60)


def test_kinds_have_their_shares() -> None:
    kinds = Counter(buyer.kind for buyer in plan(1000, 60.0, seed=3))
    assert kinds == {Kind.REFRESHER: 80, Kind.LEAVER: 60, Kind.TWO_TABS: 60, Kind.PLAIN: 800}


def test_all_but_leavers_stay() -> None:
    assert all(buyer.stays is (buyer.kind is not Kind.LEAVER) for buyer in plan(200, 10.0, seed=1))


def test_buyers_are_numbered_in_order_of_arrival() -> None:
    crowd = plan(300, 20.0, seed=5)
    assert [buyer.buyer for buyer in crowd] == list(range(300))
    assert crowd == sorted(crowd, key=lambda buyer: buyer.arrive_at_s)


@pytest.mark.parametrize("buyers", [1, 2, 3, 7])
def test_a_tiny_crowd_is_complete_too(buyers: int) -> None:
    assert len(plan(buyers, 5.0, seed=1)) == buyers
