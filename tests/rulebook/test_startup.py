"""Warming in time: how long replicas take is learnt, and decides how early an opening is prepared for."""

from __future__ import annotations

import pytest

from rulebook import Crowd, Decision, Memory, Observation, decide
from rulebook.startup import MAX_SAMPLES, MAX_STARTING, Ordered, StartUps, lead_of
from tests.rulebook.documents import NOW_S, crowd_signal, rule

ADMISSION = {"onsale": "gala", "perReadyReplica": "8/s", "sessionsPerReadyReplica": 100}
FAST = {"scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]}}
ASKED = rule(signals=[crowd_signal()], replicas={"min": 2, "max": 50}, interval="2s", behavior=FAST)


def seen(crowd: Crowd, *, current: int = 2, ready: int | None = None) -> Observation:
    return Observation(current, current if ready is None else ready, {"crowd": crowd})


def prequeue(backlog: int, opens_in_s: float) -> Crowd:
    return Crowd(NOW_S, 4.0, backlog, NOW_S + opens_in_s)


def learnt(took_s: float) -> Memory:
    return Memory(start_ups=StartUps(took_s=(took_s,)))


def test_a_scale_up_is_timed_until_all_it_asked_for_are_ready() -> None:
    orders = StartUps().order(5, 100.0).order(9, 110.0)
    assert orders.see(9, 4, 120.0) == orders
    first = orders.see(9, 5, 130.0)
    assert (first.starting, first.took_s) == ((Ordered(9, 110.0),), (30.0,))
    assert first.see(9, 9, 170.0) == StartUps((), (30.0, 60.0))


@pytest.mark.parametrize(
    ("current", "ready", "now_s"),
    [(4, 4, 130.0), (5, 2, 90.0), (5, 2, 3700.0)],
    ids=["taken back", "the clock went back", "never ready"],
)
def test_what_did_not_become_ready_teaches_nothing(current: int, ready: int, now_s: float) -> None:
    assert StartUps().order(5, 100.0).see(current, ready, now_s) == StartUps()


def test_what_is_kept_is_bounded_and_the_longest_of_the_latest_counts() -> None:
    many = StartUps()
    for number in range(2 * MAX_STARTING):
        many = many.order(number + 1, 100.0)
    assert len(many.starting) == MAX_STARTING
    history = StartUps(took_s=(500.0,))
    for number in range(MAX_SAMPLES):
        history = history.order(1, 0.0).see(1, 1, 20.0 + number)
    assert (len(history.took_s), history.longest_s) == (MAX_SAMPLES, 27.0)
    assert lead_of(history, 10.0) == 1.25 * 27.0 + 20.0
    assert lead_of(StartUps(), 10.0) is None


def test_decisions_learn_how_long_replicas_take() -> None:
    first = decide(ASKED, seen(Crowd(NOW_S, 40.0, 0)), Memory(), NOW_S)
    memory = first.memory.after_scaling(2, first.desired, NOW_S)
    for seconds, ready in [(2, 2), (20, 4), (44, first.desired)]:
        observation = seen(Crowd(NOW_S + seconds, 40.0, 0), current=first.desired, ready=ready)
        memory = decide(ASKED, observation, memory, NOW_S + seconds).memory
    assert memory.start_ups == StartUps((), (44.0,))


@pytest.mark.parametrize(
    ("memory", "opens_in_s", "asks"),
    [
        (Memory(), 301.0, False),
        (Memory(), 299.0, True),
        (learnt(40.0), 56.0, False),
        (learnt(40.0), 53.0, True),
        (learnt(400.0), 500.0, True),
    ],
    ids=[
        "unknown, early",
        "unknown, five minutes before",
        "learnt, early",
        "learnt, in time",
        "slow starters",
    ],
)
def test_a_pre_queue_is_prepared_for_as_early_as_replicas_need(
    memory: Memory, opens_in_s: float, asks: bool
) -> None:
    decision = decide(ASKED, seen(prequeue(800, opens_in_s)), memory, NOW_S)
    assert decision.recommendations[0].value == (44.0 if asks else 0.0)
    assert (decision.desired > 2) is asks


def test_a_lead_that_is_written_goes_before_what_was_learnt() -> None:
    crowd = crowd_signal()
    crowd["onsale"]["lead"] = "10m"
    asked = rule(signals=[crowd], replicas={"min": 2, "max": 50}, interval="2s")
    assert decide(asked, seen(prequeue(800, 599.0)), learnt(5.0), NOW_S).desired > 2


def test_a_pre_queue_which_is_not_due_yet_sets_no_deadline() -> None:
    decision = decide(ASKED, seen(prequeue(800, 1000.0)), Memory(), NOW_S)
    assert decision.memory.crowd_deadlines == ()
    assert decision.recommendations[0].detail.startswith(
        "800 wait for the opening in 1000 s, due from 300 s before"
    )


def scheduled(memory: Memory, opens_in_s: float) -> Decision:
    asked = rule(
        signals=[crowd_signal()],
        replicas={"min": 2, "max": 50},
        interval="2s",
        schedule=[{"onsale": "gala", "lead": "1m", "min": 9}],
    )
    return decide(asked, seen(prequeue(0, opens_in_s)), memory, NOW_S)


def test_a_schedule_warms_earlier_where_replicas_need_longer_than_its_lead() -> None:
    assert scheduled(learnt(10.0), 61.0).desired == 2
    assert scheduled(learnt(10.0), 59.0).desired > 2
    assert scheduled(learnt(100.0), 128.0).desired > 2


def test_replicas_stay_for_the_buyers_who_are_paying() -> None:
    asked = rule(
        signals=[crowd_signal()],
        replicas={"min": 2, "max": 50},
        interval="2s",
        admission=ADMISSION,
        behavior={"scaleDown": {"stabilizationWindowSeconds": 0}},
    )
    paying = decide(asked, seen(Crowd(NOW_S, 0.0, 0, None, 1101), current=20), Memory(), NOW_S)
    assert paying.desired == 12
    assert "1101 shop: 12 replicas for them" in paying.reason
    assert decide(asked, seen(Crowd(NOW_S, 0.0, 0, None, 0), current=20), Memory(), NOW_S).desired == 2
