"""The optimum, worked out by hand: a replica begins 8 checkouts a second, none within 0.4 s of letting its buyer in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.demo.optimum import Capacity, Setback, optimum_begins, optimum_seconds

IN_SHOP = 0.4


def with_prequeue(max_replicas: int, min_replicas: int = 1) -> Capacity:
    return Capacity(max_replicas, min_replicas, startup_s=2.0, has_prequeue=True)


def test_nobody_takes_no_time() -> None:
    assert optimum_seconds([], with_prequeue(4)) == 0.0


def test_a_lone_buyer_waits_for_nobody() -> None:
    assert optimum_seconds([3.0], with_prequeue(1)) == pytest.approx(3.0 + IN_SHOP)


def test_who_came_early_begins_at_the_opening() -> None:
    assert optimum_seconds([-5.0], with_prequeue(1)) == pytest.approx(IN_SHOP)


def test_with_a_prequeue_all_replicas_are_there_at_the_opening() -> None:
    # 65 buyers at 4 x 8/s: the last begins 64/32 s after the first.
    assert optimum_seconds([0.0] * 65, with_prequeue(4)) == pytest.approx(2.0 + IN_SHOP)


def test_without_one_the_least_replicas_serve_until_the_others_have_started() -> None:
    # 8/s for 2 s serve 16; the other 32 of 48 steps go at 32/s.
    capacity = Capacity(4, 1, startup_s=2.0, has_prequeue=False)
    assert optimum_seconds([0.0] * 49, capacity) == pytest.approx(3.0 + IN_SHOP)


def test_a_shop_which_starts_from_nothing_serves_nobody_before() -> None:
    capacity = Capacity(1, 0, startup_s=2.0, has_prequeue=False)
    assert optimum_begins([0.0, 0.0], capacity) == pytest.approx([2.0 + IN_SHOP, 2.125 + IN_SHOP])


def test_idle_time_is_not_made_up_for() -> None:
    # Nine at the opening need 1 s; who comes at 10 s is served at once, the next one an eighth of a second later.
    begins = optimum_begins([0.0] * 9 + [10.0, 10.0], with_prequeue(1))
    assert begins[8:] == pytest.approx([1.0 + IN_SHOP, 10.0 + IN_SHOP, 10.125 + IN_SHOP])


def test_the_order_in_which_arrivals_are_given_does_not_matter() -> None:
    assert optimum_begins([5.0, 0.0, 1.0], with_prequeue(1)) == optimum_begins(
        [0.0, 1.0, 5.0], with_prequeue(1)
    )


def test_a_replica_that_was_killed_is_missing_until_another_can_have_started() -> None:
    # 16/s until 1 s, 8/s until 3 s, 16/s again: 16 + 16 + 32 buyers by 5 s.
    capacity = replace(with_prequeue(2), setbacks=(Setback(1.0, 3.0, replicas=1),))
    assert optimum_seconds([0.0] * 65, capacity) == pytest.approx(5.0 + IN_SHOP)


def test_while_the_store_is_down_nobody_is_let_in() -> None:
    capacity = replace(with_prequeue(2), setbacks=(Setback(1.0, 3.0),))
    assert optimum_seconds([0.0] * 33, capacity) == pytest.approx(4.0 + IN_SHOP)


def test_who_comes_while_the_store_is_down_waits_for_it_and_for_nothing_else() -> None:
    capacity = replace(with_prequeue(2), setbacks=(Setback(1.0, 3.0),))
    assert optimum_begins([2.0, 2.0], capacity) == pytest.approx([3.0 + IN_SHOP, 3.0625 + IN_SHOP])


def test_a_loss_before_the_others_have_started_takes_from_the_few() -> None:
    # 8/s of two until 1 s (16), then of one until 2 s (8), then of four (32/s): 24 by 2 s.
    capacity = Capacity(4, 2, 2.0, has_prequeue=False, setbacks=(Setback(1.0, 2.0, replicas=1),))
    assert optimum_seconds([0.0] * 57, capacity) == pytest.approx(3.0 + IN_SHOP)
