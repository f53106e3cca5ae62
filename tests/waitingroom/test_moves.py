"""What a process knows of moved places without asking: bounded, and owed to a store which may have lost it."""

import pytest

from waitingroom import moves as module
from waitingroom.moves import Holder, Moves
from waitingroom.places import Place

EPOCH, LATER = 1_000, 2_000


def place(number: int = 1, generation: int = 0, account: str = "", epoch: int = EPOCH) -> Place:
    return Place("cactus", epoch, number, 7, b"device", generation, account)


def test_a_place_is_moved_once_a_higher_generation_was_heard_of() -> None:
    moves = Moves()
    assert not moves.is_moved(place())
    moves.hear(EPOCH, 1, [(EPOCH, 1, 1)])
    assert moves.is_moved(place())
    assert not moves.is_moved(place(generation=1))
    assert not moves.is_moved(place(number=2))
    assert not moves.is_moved(place(epoch=LATER))
    moves.note(EPOCH, 1, 3)
    moves.note(EPOCH, 1, 2)
    assert moves.is_moved(place(generation=2))
    assert not moves.is_moved(place(generation=3))


def test_what_was_heard_is_counted_within_an_epoch() -> None:
    moves = Moves()
    moves.hear(EPOCH, 5, [])
    assert moves.heard == 0  # the epoch is new here: its latest moves are asked for once more
    moves.hear(EPOCH, 5, [])
    assert moves.heard == 5
    moves.hear(LATER, 3, [])
    assert moves.heard == 0


def test_a_new_epoch_is_owed_the_holders_which_buyers_have_shown() -> None:
    moves = Moves()
    moves.hear(EPOCH, 0, [])
    moves.see(place(1), "phone")
    moves.see(place(2, account="ann"), "phone")
    moves.see(place(3, generation=1), "laptop")
    moves.see(place(3, generation=2), "phone")
    moves.see(place(3, generation=1), "laptop")
    assert moves.owed(10) == []
    moves.hear(LATER, 0, [])
    owed = [Holder(EPOCH, 2, 0, "ann", "phone", 7), Holder(EPOCH, 3, 2, "", "phone", 7)]
    assert moves.owed(10) == owed
    assert moves.owed(1) == owed[:1]
    moves.paid(owed[:1])
    assert moves.owed(10) == owed[1:]
    # What is seen of an older epoch from now on is owed at once, and once.
    moves.see(place(4, account="bob"), "phone")
    moves.see(place(5, account="cleo", epoch=LATER), "phone")
    assert [holder.number for holder in moves.owed(10)] == [3, 4]


def test_who_moves_on_while_the_store_is_told_is_told_again() -> None:
    moves = Moves()
    moves.hear(EPOCH, 0, [])
    moves.hear(LATER, 0, [])
    moves.see(place(1, generation=1), "phone")
    told = moves.owed(10)
    moves.see(place(1, generation=2), "laptop")
    moves.paid(told)
    assert [holder.generation for holder in moves.owed(10)] == [2]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOVES_REMEMBERED", 3)
    monkeypatch.setattr(module, "HOLDERS_REMEMBERED", 3)
    moves = Moves()
    moves.hear(EPOCH, 0, [])
    for number in range(1, 8):
        moves.see(place(number, generation=1), "phone")
    assert [moves.is_moved(place(number)) for number in (1, 4, 5, 7)] == [False, False, True, True]
    moves.hear(LATER, 0, [])
    assert [holder.number for holder in moves.owed(10)] == [5, 6, 7]
