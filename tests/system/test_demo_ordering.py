"""Order violations by what buyers were told."""

from __future__ import annotations

import random

from tests.system.demo_builders import a_buyer
from tidegate.demo.ordering import order_violations, turns_withdrawn
from tidegate.demo.records import BuyerRecord


def test_a_line_in_order_has_no_violation() -> None:
    line = [
        a_buyer(0, position=1, waiting=1001.0, released=1002.0),
        a_buyer(1, position=2, waiting=1001.9, released=1002.0),
        a_buyer(2, position=3, waiting=1004.0, released=1005.0),
    ]
    assert order_violations(line) == 0


def test_a_buyer_called_while_a_lower_position_waits_is_a_violation() -> None:
    line = [a_buyer(0, position=1, waiting=1005.0, released=1006.0), a_buyer(1, position=2, released=1004.0)]
    assert order_violations(line) == 1


def test_the_very_same_moment_is_a_violation_too() -> None:
    line = [a_buyer(0, position=1, waiting=1004.0), a_buyer(1, position=2, released=1004.0)]
    assert order_violations(line) == 1


def test_every_buyer_who_was_called_too_early_counts_once() -> None:
    line = [
        a_buyer(0, position=1, waiting=1009.0, released=1010.0),
        a_buyer(1, position=2, waiting=1008.0, released=1010.0),
        a_buyer(2, position=3, released=1004.0),
        a_buyer(3, position=4, released=1005.0),
        a_buyer(4, position=5, released=1011.0),
    ]
    assert order_violations(line) == 2


def test_a_higher_position_that_waits_is_none() -> None:
    line = [a_buyer(0, position=2, waiting=1009.0, released=1010.0), a_buyer(1, position=1, released=1004.0)]
    assert order_violations(line) == 0


def test_an_older_epoch_goes_first() -> None:
    older = a_buyer(0, numbers=((1, 9),), positions=((1, 9),), waiting=1005.0)
    newer = a_buyer(1, numbers=((2, 1),), positions=((2, 1),), released=1004.0)
    assert order_violations([newer, older]) == 1


def test_who_never_learnt_a_position_stands_nowhere() -> None:
    line = [a_buyer(0, positions=(), waiting=1009.0), a_buyer(1, position=2, released=1004.0)]
    assert order_violations(line) == 0


def test_it_agrees_with_the_definition_on_random_lines() -> None:
    dice = random.Random(4)
    for _ in range(50):
        line = [
            a_buyer(
                number,
                position=number + 1,
                waiting=dice.choice([None, dice.uniform(0, 9)]),
                released=dice.choice([None, dice.uniform(0, 9)]),
            )
            for number in range(12)
        ]
        assert order_violations(line) == by_definition(line)


def by_definition(line: list[BuyerRecord]) -> int:
    return sum(
        any(
            lower.last_waiting_as_of_s is not None
            and told.first_released_as_of_s is not None
            and lower.last_waiting_as_of_s >= told.first_released_as_of_s
            for lower in line
            if lower.positions[0] < told.positions[0]
        )
        for told in line
    )


def test_a_turn_that_was_taken_back_is_seen() -> None:
    line = [a_buyer(0, waiting=1005.0, released=1004.0), a_buyer(1, waiting=1003.0, released=1004.0)]
    assert turns_withdrawn(line) == 1
