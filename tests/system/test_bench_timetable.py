"""The crowd's timetable: whoever is due comes out, once, and never early."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tidegate.bench.timetable import MOST_BUYERS, Timetable

moments = st.integers(0, 10_000)


@given(st.lists(st.tuples(st.integers(0, MOST_BUYERS - 1), moments)), st.lists(moments))
def test_all_who_are_due_come_out_in_the_order_of_their_moments(
    questions: list[tuple[int, int]], looks: list[int]
) -> None:
    timetable = Timetable()
    for buyer, due_ms in questions:
        timetable.put(buyer, due_ms)
    left = sorted((due_ms, buyer) for buyer, due_ms in questions)
    for now_ms in [*sorted(looks), 10_000]:
        due = [entry for entry in left if entry[0] <= now_ms]
        left = left[len(due) :]
        assert [(due_ms, buyer) for buyer, due_ms in timetable.take(now_ms)] == due
    assert not left


def test_a_buyer_who_asks_again_and_again_is_due_each_time() -> None:
    timetable, chance = Timetable(), random.Random(1)
    timetable.put(7, 0)
    asked, due_ms = [], [0]
    for now_ms in range(0, 20_000, 3):
        for buyer, moment_ms in timetable.take(now_ms):
            asked.append(moment_ms)
            due_ms.append(now_ms + chance.randrange(1, 2_500))
            timetable.put(buyer, due_ms[-1])
    assert asked == due_ms[:-1]
    assert len(asked) > 10


def test_a_moment_that_has_passed_counts_as_now() -> None:
    timetable = Timetable()
    timetable.put(1, 9_000)
    assert list(timetable.take(9_000)) == [(1, 9_000)]
    timetable.put(2, 500)
    assert list(timetable.take(9_001)) == [(2, 500)]


def test_a_timetable_that_was_cleared_knows_nobody() -> None:
    timetable = Timetable()
    timetable.put(1, 5)
    timetable.put(2, 5_000)
    timetable.clear()
    assert list(timetable.take(10_000)) == []
