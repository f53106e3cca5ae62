"""The share of waits that lay within what buyers were told, from a handful of records."""

from __future__ import annotations

from dataclasses import replace

from tests.system.demo_builders import OPENS, a_buyer
from tidegate.demo.records import BuyerRecord, ToldWait
from tidegate.demo.waits import Waits, judge_waits


def told(*ranges: tuple[float, float, float]) -> BuyerRecord:
    """A buyer who was still waiting at 28 s and was told "your turn" at 30 s; ranges count from when they were told."""
    buyer = a_buyer(0, waiting=OPENS + 28.0, released=OPENS + 30.0)
    return replace(buyer, told=tuple(ToldWait(OPENS + at, low, high) for at, low, high in ranges))


def test_a_range_holds_if_the_turn_may_have_come_within_it() -> None:
    assert judge_waits([told((0.0, 20.0, 40.0))]).first == 1.0
    assert judge_waits([told((0.0, 30.0, 40.0)), told((0.0, 10.0, 28.0))]).first == 1.0
    assert judge_waits([told((0.0, 31.0, 40.0)), told((0.0, 10.0, 27.0))]).first == 0.0


def test_the_first_range_counts_apart_from_later_ones() -> None:
    waits = judge_waits([told((0.0, 10.0, 20.0), (10.0, 15.0, 25.0), (20.0, 20.0, 30.0))])
    assert (waits.first, waits.later) == (0.0, 0.5)


def test_the_width_is_relative_to_the_middle() -> None:
    assert judge_waits([told((0.0, 15.0, 45.0))]).width == 1.0


def test_who_was_told_nothing_or_never_had_a_turn_is_not_judged() -> None:
    never = replace(told((0.0, 1.0, 2.0)), first_released_as_of_s=None)
    assert judge_waits([told(), never]) == Waits(None, None, None)
