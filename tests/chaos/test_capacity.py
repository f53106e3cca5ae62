"""Who is inside at once is counted from what buyers saw and the shop logged, and a site is blamed only for what it promised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.capacity import Capacity, most_inside, worst_crowding
from tests.system.demo_builders import OPENS, a_buyer, a_checkout
from tidegate.demo.overadmission import Excess
from tidegate.demo.records import BuyerRecord, RateSample, ServedEntry, Step

CAPACITY = Capacity(3, fallback_per_s=2.0, burst=4)


def stays(number: int, from_s: float, until_s: float) -> BuyerRecord:
    """A buyer who is let in and asks for the checkout a while later."""
    return a_buyer(number, admitted=OPENS + from_s, visits=(a_checkout(OPENS + until_s),))


def paid(number: int, at_s: float, status: int = 200) -> ServedEntry:
    """The shop has answered a buyer's checkout."""
    return ServedEntry(OPENS + at_s, f"s{number}", number, Step.CHECKOUT, "done", status, 0.5)


def told(from_s: float, until_s: float, capacity: int | None = 3, every_s: float = 0.2) -> list[RateSample]:
    """What the room said about its capacity."""
    count = round((until_s - from_s) / every_s)
    return [RateSample(OPENS + from_s + i * every_s, 16.0, 4, capacity=capacity) for i in range(count)]


def crowding(buyers: list[BuyerRecord], rates: list[RateSample]) -> Excess | None:
    return worst_crowding(buyers, [], rates, OPENS, CAPACITY)


FIVE = [stays(number, 1 + number, 20.0) for number in range(5)]


def test_those_inside_at_once_are_counted() -> None:
    assert most_inside([stays(1, 1, 4), stays(2, 2, 6), stays(3, 5, 7)], []) == 2
    assert most_inside([], []) == 0


def test_who_leaves_makes_room_in_that_moment() -> None:
    assert most_inside([stays(1, 1, 4), stays(2, 4, 6)], []) == 1


def test_a_buyer_is_inside_until_the_shop_has_done_the_checkout() -> None:
    buyers = [stays(1, 1, 4), stays(2, 4.3, 6)]
    assert most_inside(buyers, []) == 1
    assert most_inside(buyers, [paid(1, 4.5)]) == 2
    # Its answer was lost, and the buyer asks again: the session was over by then.
    assert most_inside([stays(1, 1, 9), stays(2, 4.3, 6)], [paid(1, 4.2), paid(1, 9.5)]) == 1
    assert most_inside([stays(1, 1, 4), stays(2, 4.3, 6)], [paid(1, 4.5, status=503)]) == 1


def test_who_was_never_let_in_is_not_inside() -> None:
    assert most_inside([a_buyer(1, visits=(a_checkout(OPENS + 4),)), stays(2, 1, 4)], []) == 1


def test_more_than_the_capacity_are_found_where_most_were_too_many() -> None:
    found = crowding(FIVE, told(-1, 20))
    assert found == Excess(OPENS + 5, seen=5, allowed=3)
    assert found.beyond == 2
    assert crowding(FIVE[:3], told(-1, 20)) == Excess(OPENS + 3, seen=3, allowed=3)
    assert crowding([], told(-1, 20)) is None


@pytest.mark.parametrize("capacity", [2000, None], ids=["the document's", "none"])
def test_while_the_room_goes_by_no_target_a_bucketful_and_the_fallback_rate_may_come_in(
    capacity: int | None,
) -> None:
    rates = [*told(-1, 2), *told(2, 3, capacity), *told(3, 20)]
    found = crowding(FIVE, rates)
    assert found is not None
    assert found.beyond == 0
    # From 1.8 s, when a target was last seen, until 3.0 s, when one was seen again: 4 and 2.4 more than 3.
    everybody = [stays(number, 4 + number / 10, 20.0) for number in range(12)]
    assert crowding(everybody, rates) == Excess(OPENS + 5.1, seen=12, allowed=9)


def test_what_more_may_come_in_is_for_those_who_come_then_or_later() -> None:
    rates = [*told(-1, 10), *told(10, 11, None), *told(11, 20)]
    found = crowding(FIVE, rates)
    assert found is not None
    assert found.beyond == 2


def test_what_nobody_saw_is_not_held_against_the_room() -> None:
    found = crowding(FIVE, [*told(-1, 2), *told(4, 20)])
    assert found is not None
    assert found.beyond == 0


def test_what_the_room_said_before_the_opening_lets_nobody_in() -> None:
    found = crowding(FIVE, [*told(-5, -1, None), *told(-1, 20)])
    assert found is not None
    assert found.beyond == 2


def test_a_room_that_says_it_is_bound_less_is_still_held_to_what_the_site_can_take() -> None:
    lowered = [replace(sample, capacity=1) for sample in told(-1, 20)]
    found = crowding(FIVE, lowered)
    assert found is not None
    assert found.allowed == 3
