"""The crowd signal: buyers/s to serve the backlog by a deadline that is kept in memory."""

from __future__ import annotations

import pytest

from rulebook import Crowd, Decision, Memory, Missing, decide
from tests.rulebook.documents import NOW_S, crowd_signal, rule, seen

ASKED = rule(
    signals=[crowd_signal()],
    replicas={"min": 2, "max": 50},
    interval="2s",
    behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]}},
)


def after(seconds: float, crowd: Crowd | Missing, memory: Memory = Memory(), current: int = 2) -> Decision:  # noqa: B008  # frozen
    return decide(ASKED, seen(current, {"crowd": crowd}), memory, NOW_S + seconds)


def waiting(backlog: int, arrivals: float = 0.0, opens: float | None = None) -> Crowd:
    return Crowd(NOW_S, arrivals, backlog, None if opens is None else NOW_S + opens)


def test_a_backlog_is_to_be_served_within_drain_within() -> None:
    decision = after(0, waiting(400, 4.0))
    assert decision.recommendations[0].value == 24.0  # 400 in 20 s, and 4/s
    assert decision.recommendations[0].replicas == 3
    assert decision.recommendations[0].detail == "400 wait, 4/s arrive, due in 20 s: 24/s over 8/s a replica"
    assert decision.memory.deadline("crowd") == NOW_S + 20


@pytest.mark.parametrize(
    ("arrivals", "told"), [(20.2353, "20.2"), (0.0, "0"), (0.01234, "0.0123"), (1234.5, "1234")]
)
def test_arrivals_are_told_in_a_few_digits(arrivals: float, told: str) -> None:
    for backlog in (0, 400):
        assert f", {told}/s arrive" in after(0, waiting(backlog, arrivals)).recommendations[0].detail


def test_the_deadline_stays_while_the_backlog_lasts() -> None:
    memory = after(0, waiting(400)).memory
    decision = after(10, waiting(400), memory)
    assert decision.recommendations[0].value == 40.0  # 400 in the 10 s that are left
    assert decision.memory.deadline("crowd") == NOW_S + 20


def test_the_last_moments_count_as_one_interval() -> None:
    memory = after(0, waiting(400)).memory
    assert after(19.5, waiting(40), memory).recommendations[0].value == 20.0


@pytest.mark.parametrize("seconds", [20, 1000])
def test_past_the_deadline_everything_goes_to_work(seconds: float) -> None:
    decision = after(seconds, waiting(1), after(0, waiting(400)).memory, current=5)
    assert (decision.recommendations[0].replicas, decision.desired) == (50, 50)
    assert "past the deadline" in decision.reason


def test_an_empty_backlog_clears_the_deadline_and_the_next_one_sets_it_anew() -> None:
    memory = after(0, waiting(400)).memory
    empty = after(30, waiting(0, 4.0), memory)
    assert (empty.recommendations[0].value, empty.memory.crowd_deadlines) == (4.0, ())
    assert after(31, waiting(1), empty.memory).memory.deadline("crowd") == NOW_S + 51


def test_a_pre_queue_is_due_after_the_opening() -> None:
    decision = after(0, waiting(800, opens=60))
    assert decision.recommendations[0].value == 40.0  # 800 within 20 s of the opening
    memory = decision.memory
    assert memory.deadline("crowd") == NOW_S + 80
    assert after(70, waiting(400, opens=60), memory).recommendations[0].value == 40.0


def test_an_opening_that_is_moved_moves_the_deadline() -> None:
    memory = after(0, waiting(800, opens=60)).memory
    assert after(10, waiting(800, opens=90), memory).memory.deadline("crowd") == NOW_S + 110


def test_a_room_that_cannot_be_reached_keeps_the_deadline_and_the_count() -> None:
    memory = after(0, waiting(400)).memory
    decision = after(30, Missing("store away"), memory, current=7)
    assert (decision.desired, decision.memory.deadline("crowd")) == (7, NOW_S + 20)
