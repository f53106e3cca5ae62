"""What the crowd's driver counts as a broken promise."""

from collections.abc import Callable
from itertools import permutations

from tidegate.bench.register import Register, Turns


def test_everybody_has_a_number_and_a_place_of_their_own() -> None:
    register = Register(3)
    for buyer, number in enumerate((2, 1, 3)):
        register.enter_place(buyer, number, b"token-%d" % number)
    assert (register.joined, register.wrong_numbers, register.changed_places) == (3, 0, 0)
    assert [register.token(buyer) for buyer in range(3)] == [b"token-2", b"token-1", b"token-3"]


def test_a_number_given_twice_is_counted() -> None:
    register = Register(2)
    register.enter_place(0, 1, b"token")
    register.enter_place(1, 1, b"token")
    assert register.wrong_numbers == 1


def test_a_number_beyond_the_last_buyer_is_counted() -> None:
    register = Register(2)
    register.enter_place(0, 3, b"token")
    assert register.wrong_numbers == 1


def test_who_joins_again_must_get_the_same_place() -> None:
    register = Register(2)
    register.enter_place(0, 1, b"token")
    register.enter_place(0, 1, b"token")
    assert (register.joined, register.changed_places) == (1, 0)
    register.enter_place(0, 2, b"token")
    assert (register.joined, register.changed_places) == (1, 1)


def test_nobody_waits_behind_a_turn_that_has_come() -> None:
    turns = Turns(6)
    turns.came(5, as_of_s=10.0)
    turns.waits(6, as_of_s=10.0)
    turns.waits(4, as_of_s=9.9)
    assert turns.violations() == 0
    turns.waits(4, as_of_s=10.0)
    assert turns.violations() == 1


def test_a_turn_that_is_heard_of_late_counts_from_its_own_time() -> None:
    turns = Turns(8)
    turns.came(5, as_of_s=10.0)
    turns.came(8, as_of_s=9.0)
    assert turns.highest == 8
    turns.waits(7, as_of_s=8.5)
    assert turns.violations() == 0
    turns.waits(7, as_of_s=9.5)
    turns.waits(7, as_of_s=8.5)
    assert turns.violations() == 1


def test_who_is_told_to_wait_is_counted_in_whichever_order_answers_arrive() -> None:
    told: list[Callable[[Turns], None]] = [
        lambda turns: turns.waits(5, as_of_s=10.0),
        lambda turns: turns.came(10, as_of_s=9.0),
        lambda turns: turns.came(7, as_of_s=8.0),
        lambda turns: turns.waits(6, as_of_s=8.5),
    ]
    for answers in permutations(told):
        turns = Turns(10)
        for answer in answers:
            answer(turns)
        assert turns.violations() == 2


def test_a_buyer_who_waits_and_then_enters_breaks_no_order() -> None:
    turns = Turns(2)
    for position in (1, 2):
        turns.waits(position, as_of_s=9.0)
        turns.came(position, as_of_s=10.0)
    assert turns.violations() == 0


def test_positions_which_nobody_has_are_left_to_the_numbers() -> None:
    turns = Turns(2)
    turns.came(3, as_of_s=1.0)
    turns.waits(0, as_of_s=2.0)
    assert (turns.highest, turns.violations()) == (0, 0)
