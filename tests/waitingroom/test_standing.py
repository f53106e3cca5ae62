"""Where a place stands: the buyer's state, position and wait from a snapshot alone."""

from dataclasses import replace

import pytest

from tests.waitingroom.samples import quiet_snapshot
from waitingroom.drawrecord import DrawnPool, DrawRecord
from waitingroom.eta import Eta
from waitingroom.places import Place
from waitingroom.polling import asking_for
from waitingroom.snapshot import Line, Snapshot
from waitingroom.standing import State, stand

ASKING = asking_for(100, budget_per_s=1_000)
OPEN = quiet_snapshot(lines=(Line(epoch=1, tail=100, released=40, settled=20),), rate_per_s=2.0, burst=5)


ETA = Eta(
    knots=(0.0, 100.0),
    low_s=(0.0, 50.0),
    high_s=(5.0, 105.0),
    low_slopes=(0.5, 0.5),
    high_slopes=(1.0, 1.0),
    steps_s=(5.0, 5.0),
    prequeue_s=(600.0, 700.0),
)


def place(number: int, epoch: int = 1) -> Place:
    return Place("cactus", epoch, number, 0, b"device")


def state_of(number: int, snapshot: Snapshot = OPEN) -> State:
    return stand(place(number), snapshot, None, drawn=False, asking=ASKING).state


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (1, State.LATE),
        (20, State.LATE),
        (21, State.RELEASED),
        (40, State.RELEASED),
        (41, State.WAITING),
        (100, State.WAITING),
    ],
)
def test_released_numbers_may_enter_until_their_window_has_passed(number: int, state: State) -> None:
    assert state_of(number) is state


def test_a_number_issued_after_the_copy_was_taken_waits_at_the_end() -> None:
    standing = stand(place(105), OPEN, None, drawn=False, asking=ASKING)
    assert (standing.state, standing.ahead) == (State.WAITING, 64)


def test_the_wait_is_the_range_of_as_many_people_ahead() -> None:
    standing = stand(place(60), OPEN, None, drawn=False, asking=ASKING, eta=ETA)
    assert standing.ahead == 19
    assert standing.eta_s == ETA.range_s(19)


def test_in_a_prequeue_without_a_draw_the_number_tells_the_wait() -> None:
    early = replace(OPEN, opens_at_s=1_600.0, lines=(Line(1, 100, 0, 0),))
    standing = stand(place(60), early, None, drawn=False, asking=ASKING, eta=ETA)
    assert (standing.state, standing.position) == (State.PREQUEUE, None)
    assert standing.eta_s == ETA.range_s(59)


def test_before_a_draw_everybody_is_told_the_same_wait() -> None:
    early = replace(OPEN, opens_at_s=1_600.0, lines=(Line(1, 100, 0, 0),))
    drawing = replace(early, at_s=1_601.0)
    for snapshot in (early, drawing):
        waits = {
            stand(place(number), snapshot, None, drawn=True, asking=ASKING, eta=ETA).eta_s
            for number in (1, 60, 100)
        }
        assert waits == {ETA.prequeue_s}


def test_a_held_line_lets_released_buyers_in() -> None:
    held = replace(OPEN, hold="the payment provider is down", rate_per_s=0.0)
    assert state_of(60, held) is State.HELD
    assert state_of(40, held) is State.RELEASED


def test_after_the_closing_nobody_waits() -> None:
    closed = replace(OPEN, closes_at_s=999.0)
    assert state_of(60, closed) is State.CLOSED
    assert state_of(40, closed) is State.RELEASED


def test_before_the_opening_no_position_is_shown_and_the_next_question_comes_after_it() -> None:
    early = replace(OPEN, opens_at_s=1_004.0, lines=(Line(1, 100, 0, 0),))
    standing = stand(place(7), early, None, drawn=True, asking=ASKING)
    assert (standing.state, standing.position, standing.ahead) == (State.PREQUEUE, None, None)
    assert standing.retry_after_s <= 6.0


def test_between_the_opening_and_the_published_draw_buyers_wait_without_a_position() -> None:
    undrawn = replace(OPEN, opens_at_s=999.0, lines=(Line(1, 100, 0, 0),))
    standing = stand(place(7), undrawn, None, drawn=True, asking=ASKING)
    assert (standing.state, standing.position) == (State.WAITING, None)


def test_who_came_after_the_opening_stands_behind_the_draw_in_order() -> None:
    drawn = replace(OPEN, opens_at_s=999.0, lines=(Line(1, 100, 0, 0),))
    draw = DrawnPool(DrawRecord("cactus", ((1, 90),), "00" * 32))
    positions = [stand(place(n), drawn, draw, drawn=True, asking=ASKING).position for n in range(1, 101)]
    assert sorted(p for p in positions[:90] if p) == list(range(1, 91))
    assert positions[90:] == list(range(91, 101))


def test_a_place_of_an_epoch_not_known_here_yet_waits() -> None:
    standing = stand(place(1, epoch=7), OPEN, None, drawn=False, asking=ASKING)
    assert (standing.state, standing.position) == (State.WAITING, None)


def test_older_epochs_come_first() -> None:
    both = replace(OPEN, lines=(Line(1, 100, 40, 20), Line(2, 10, 0, 0)))
    assert stand(place(3, epoch=2), both, None, drawn=False, asking=ASKING).ahead == 62


def test_the_prequeues_of_two_epochs_are_drawn_as_one() -> None:
    pool = DrawnPool(DrawRecord("cactus", ((1, 30), (2, 60)), "00" * 32))
    both = replace(OPEN, opens_at_s=999.0, lines=(Line(1, 32, 30, 30), Line(2, 65, 0, 0, shift=30)))
    places = [place(n, epoch=1) for n in range(1, 31)] + [place(n, epoch=2) for n in range(1, 61)]
    positions = [stand(each, both, pool, drawn=True, asking=ASKING).position for each in places]
    assert sorted(p for p in positions if p) == list(range(1, 91))
    last = [stand(place(n, epoch=2), both, pool, drawn=True, asking=ASKING) for n in range(61, 66)]
    assert [standing.position for standing in last] == list(range(91, 96))
    # Two more of the older epoch turned up after the draw: they stand before everybody of the newer one.
    found = stand(place(31, epoch=1), both, pool, drawn=True, asking=ASKING)
    assert (found.position, found.ahead) == (31, 0)
    assert last[0].ahead == 2 + 90
