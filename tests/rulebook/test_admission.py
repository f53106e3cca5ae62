"""The admission target: so many for each ready replica, fewer while the shop is slow."""

from __future__ import annotations

from typing import Any

import pytest

from rulebook import SHOP_SLOW, AdmissionDecision, Memory, Missing, Reading, decide, read_ready
from tests.rulebook.documents import NOW_S, rule, seen, share, total


def asked(**more: Any) -> Any:
    admission = {"onsale": "gala", "perReadyReplica": "5/s", **more}
    return rule(
        signals=[share("requests", 10), total("checkout", "300ms")], admission=admission, interval="10s"
    )


SLOW = asked(slow={"signal": "checkout", "above": "500ms"}, sessionsPerReadyReplica=300)


def admitted(
    checkout: float | Reading, memory: Memory, seconds: float = 0, ready: int = 6
) -> tuple[AdmissionDecision, Memory]:
    decision = decide(
        SLOW, seen(8, {"requests": 50.0, "checkout": checkout}, ready=ready), memory, NOW_S + seconds
    )
    assert decision.admission is not None
    return decision.admission, decision.memory


def test_the_rate_follows_ready_replicas_not_wanted_ones() -> None:
    admission, _ = admitted(0.2, Memory())
    assert admission == AdmissionDecision(30.0, 1800, "6 ready x 5/s")


def test_with_nothing_ready_nobody_comes_in() -> None:
    admission, _ = admitted(0.2, Memory(), ready=0)
    assert (admission.rate_per_s, admission.capacity) == (0.0, 0)


def test_without_sessions_per_replica_the_rule_bounds_no_capacity() -> None:
    decision = decide(asked(), seen(8, {"requests": 50.0, "checkout": 0.2}), Memory(), NOW_S)
    assert decision.admission == AdmissionDecision(40.0, None, "8 ready x 5/s")


def test_a_rule_without_an_onsale_says_nothing_about_admission() -> None:
    assert decide(rule(), seen(8, {"requests": 50.0}), Memory(), NOW_S).admission is None


def test_a_slow_shop_gets_a_fifth_less_each_interval_and_recovers_in_steps() -> None:
    memory, factors, reasons = Memory(), [], []
    for index, checkout in enumerate([1.2, 1.2, 0.5, 0.4]):
        admission, memory = admitted(checkout, memory, index * 10)
        factors.append(memory.slow_factor)
        reasons.append(admission.reason)
        assert admission.rate_per_s == pytest.approx(30.0 * memory.slow_factor)
    assert factors == [0.8, 0.64, 0.69, 0.74]
    assert reasons[1:3] == [
        "shop slow: checkout 1.2 > 0.5, factor 0.64, 6 ready x 5/s",
        "6 ready x 5/s, factor 0.69 and rising",
    ]


def test_the_factor_has_a_floor_and_a_ceiling() -> None:
    memory = Memory()
    for index in range(30):
        _, memory = admitted(9.0, memory, index * 10)
    assert memory.slow_factor == 0.1
    for index in range(30, 60):
        _, memory = admitted(0.1, memory, index * 10)
    assert memory.slow_factor == 1.0


def test_deciding_more_often_than_each_interval_moves_the_factor_no_faster() -> None:
    memory = Memory()
    for second in range(11):
        _, memory = admitted(1.2, memory, second)
    assert memory.slow_factor == 0.64  # at 0 s, and at 9 s: a tick a little early still counts


def test_without_data_the_factor_stays() -> None:
    _, memory = admitted(1.2, Memory())
    admission, memory = admitted(Missing("no samples"), memory, 100)
    assert (memory.slow_factor, admission.reason) == (
        0.8,
        "6 ready x 5/s, checkout is missing, factor 0.8 kept",
    )
    assert admitted(Missing("no samples"), Memory())[0].reason == "6 ready x 5/s"


def test_a_paused_rule_still_admits_by_what_is_ready() -> None:
    paused = rule(admission={"onsale": "gala", "perReadyReplica": "5/s"}, paused=True)
    decision = decide(paused, seen(8, {"requests": 50.0}, ready=3), Memory(), NOW_S)
    assert decision.admission is not None
    assert decision.admission.rate_per_s == 15.0


def test_the_room_reads_from_the_reason_how_many_are_ready_and_whether_the_shop_is_slow() -> None:
    quick, memory = admitted(0.2, Memory(), ready=12)
    slow, _ = admitted(0.9, memory, ready=3)
    assert (read_ready(quick.reason), read_ready(f"web: {slow.reason}")) == (12, 3)
    assert SHOP_SLOW in slow.reason
    assert SHOP_SLOW not in quick.reason
    assert read_ready("ceiling") is None


def test_a_cut_is_left_to_work_before_the_next_one_and_before_a_raise() -> None:
    patient = asked(slow={"signal": "checkout", "above": "500ms", "settle": "30s"})
    memory, factors = Memory(), []
    for index, checkout in enumerate([1.2, 1.2, 1.2, 1.2, 0.3, 0.3, 0.3, 0.3]):
        observation = seen(6, {"requests": 50.0, "checkout": checkout})
        memory = decide(patient, observation, memory, NOW_S + index * 10).memory
        factors.append(memory.slow_factor)
    assert factors == [0.8, 0.8, 0.8, 0.64, 0.64, 0.64, 0.69, 0.74]


def test_the_rate_rises_carefully_where_the_shop_was_slow_the_last_time() -> None:
    memory, factors = Memory(), []
    for index, checkout in enumerate([1.2, 0.3, 1.2, *[0.3] * 20]):
        _, memory = admitted(checkout, memory, index * 10)
        factors.append(memory.slow_factor)
    # First slow at the whole rate, then at 0.85: from 0.68 to 0.89 on it goes by hundredths.
    assert factors[:6] == [0.8, 0.85, 0.68, 0.69, 0.7, 0.71]
    assert memory.slow_limit == 0.85


def test_a_limit_is_forgotten_once_the_whole_rate_is_reached_again() -> None:
    memory = Memory(slow_factor=0.98, slow_at_s=NOW_S - 100, slow_cut_at_s=NOW_S - 100, slow_limit=0.5)
    _, memory = admitted(0.1, memory)
    assert (memory.slow_factor, memory.slow_limit) == (1.0, None)
