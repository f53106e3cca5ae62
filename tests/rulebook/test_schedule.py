"""Schedules in a decision: floors that hold for a while, by the clock and by an onsale's opening."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from rulebook import Crowd, Decision, Memory, Missing, Observation, OnsaleTimes, Value, decide
from tests.rulebook.documents import NOW_S, again, crowd_signal, rule, share

FAST = {
    "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]},
    "scaleDown": {"stabilizationWindowSeconds": 0},
}


def scheduled(*entries: dict[str, Any], **more: Any) -> Any:
    return rule(schedule=list(entries), behavior=FAST, **more)


def at(rule_: Any, when: str, current: int = 2, requests: float | None = 10.0) -> Decision:
    now_s = datetime.fromisoformat(when).timestamp()
    reading = Missing("away") if requests is None else Value(requests, now_s)
    return decide(rule_, Observation(current, current, {"requests": reading}), Memory(), now_s)


SATURDAY = {"cron": "0 9 * * SAT", "timeZone": "Europe/Brussels", "for": "4h", "min": 8}


@pytest.mark.parametrize(
    ("when", "replicas"),
    [
        pytest.param("2026-12-05T08:59:59+01:00", 1, id="just before"),
        pytest.param("2026-12-05T09:00:00+01:00", 8, id="from the very moment"),
        pytest.param("2026-12-05T12:59:59+01:00", 8, id="until its end"),
        pytest.param("2026-12-05T13:00:00+01:00", 1, id="the end is no longer in it"),
        pytest.param("2026-12-06T10:00:00+01:00", 1, id="another day"),
        pytest.param("2026-07-04T09:00:00+02:00", 8, id="the same in summer"),
    ],
)
def test_a_cron_line_holds_a_floor(when: str, replicas: int) -> None:
    assert at(scheduled(SATURDAY), when).desired == replicas


def test_the_decision_names_the_schedule_and_why() -> None:
    decision = at(scheduled(SATURDAY), "2026-12-05T10:00:00+01:00")
    assert decision.bound_by == "schedule"
    assert (
        decision.reason
        == "2 -> 8 (schedule): cron 0 9 * * SAT Europe/Brussels for another 10800 s: at least 8"
    )
    assert [step.name for step in decision.steps] == [
        "signals", "schedule", "stabilisation", "policies", "bounds"
    ]  # fmt: skip


def test_a_floor_never_lowers() -> None:
    decision = at(scheduled(SATURDAY), "2026-12-05T10:00:00+01:00", requests=200.0)
    assert (decision.desired, decision.bound_by) == (20, "signals")


def test_a_lead_warms_up_before() -> None:
    asked = scheduled({**SATURDAY, "lead": "10m"})
    assert at(asked, "2026-12-05T08:49:59+01:00").desired == 1
    decision = at(asked, "2026-12-05T08:50:00+01:00")
    assert decision.desired == 8
    assert "begins in 600 s" in decision.reason


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        pytest.param(
            {"at": "2026-12-05T09:00:00+01:00"},
            "2026-12-05T09:30:00+01:00",
            "2026-12-05T10:00:00+01:00",
            id="with offset",
        ),
        pytest.param(
            {"at": "2026-12-05T09:00", "timeZone": "America/New_York"},
            "2026-12-05T15:30:00+01:00",
            "2026-12-05T09:30:00+01:00",
            id="in a zone",
        ),
        pytest.param(
            {"at": "2026-03-29T02:30", "timeZone": "Europe/Brussels"},
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T01:59:59+01:00",
            id="skipped by the clocks",
        ),
        pytest.param(
            {"at": "2026-10-25T02:30", "timeZone": "Europe/Brussels"},
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            id="comes twice: the first",
        ),
    ],
)
def test_a_date_holds_a_floor_once(entry: dict[str, Any], inside: str, outside: str) -> None:
    asked = scheduled({**entry, "for": "1h", "min": 8})
    assert at(asked, inside).desired == 8
    assert at(asked, outside).desired == 1


def test_of_several_floors_the_highest_holds() -> None:
    asked = scheduled(SATURDAY, {"cron": "0 * * * *", "for": "59m", "min": 12})
    assert at(asked, "2026-12-05T10:30:00+01:00").desired == 12
    assert at(asked, "2026-12-05T10:59:30+01:00").desired == 8


def test_a_floor_goes_through_policies_and_bounds() -> None:
    pods = {"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}}
    slow = rule(schedule=[SATURDAY], behavior=pods)
    assert at(slow, "2026-12-05T10:00:00+01:00").desired == 6
    assert at(scheduled({**SATURDAY, "min": 500}), "2026-12-05T10:00:00+01:00").desired == 100


def test_a_floor_rises_without_any_data_too() -> None:
    decision = at(scheduled(SATURDAY), "2026-12-05T10:00:00+01:00", requests=None)
    assert (decision.desired, decision.bound_by) == (8, "schedule")
    decision = at(scheduled(SATURDAY), "2026-12-05T10:00:00+01:00", current=9, requests=None)
    assert (decision.desired, decision.bound_by) == (9, "hold")


def test_a_fallback_does_not_undercut_the_schedule() -> None:
    asked = scheduled(SATURDAY, fallback={"after": 1, "replicas": 3, "mode": "static", "mayScaleDown": True})
    assert at(asked, "2026-12-05T10:00:00+01:00", current=9, requests=None).desired == 8
    assert at(asked, "2026-12-05T14:00:00+01:00", current=9, requests=None).desired == 3


ONSALE = {"onsale": "gala", "lead": "10m", "min": 20}


def around(
    seconds: float, times: OnsaleTimes | None, memory: Memory = Memory(), entry: dict[str, Any] = ONSALE  # noqa: B008  # frozen
) -> Decision:  # fmt: skip
    asked = scheduled(entry)
    observation = Observation(
        2, 2, {"requests": Value(10.0, NOW_S + seconds)}, {} if times is None else {"gala": times}
    )
    return decide(asked, observation, memory, NOW_S + seconds)


@pytest.mark.parametrize(
    ("seconds", "backlog", "sessions", "replicas"),
    [
        pytest.param(-601, 500, 0, 1, id="before the lead, whoever waits"),
        pytest.param(-600, 0, 0, 20, id="from the lead on"),
        pytest.param(0, 0, 0, 20, id="at the opening"),
        pytest.param(899, 0, 0, 20, id="a quarter of an hour at least"),
        pytest.param(900, 0, 0, 1, id="then down if nobody is there"),
        pytest.param(3600, 1, 0, 20, id="while one waits"),
        pytest.param(3600, 0, 1, 20, id="while one shops"),
        pytest.param(3600, None, None, 1, id="nothing is known of anybody"),
    ],
)
def test_an_onsale_holds_a_floor_until_all_are_through(
    seconds: float, backlog: int | None, sessions: int | None, replicas: int
) -> None:
    assert around(seconds, OnsaleTimes(NOW_S, backlog, sessions)).desired == replicas


def test_for_says_how_long_an_onsale_is_busy_at_least() -> None:
    assert around(1000, OnsaleTimes(NOW_S), entry={**ONSALE, "for": "1h"}).desired == 20


def test_a_room_without_opening_asks_for_nothing() -> None:
    assert around(0, OnsaleTimes(None, 500, 5)).desired == 1


def test_an_onsale_that_was_seen_once_opens_without_being_seen_again() -> None:
    memory = around(-3600, OnsaleTimes(NOW_S, 0, 0)).memory
    assert again(memory) == memory
    assert around(-300, None, memory).desired == 20
    decision = around(-300, None)
    assert decision.desired == 1
    assert decision.steps[1].detail == "no floor now; nothing is known of onsale gala"


def test_a_crowd_signal_tells_the_opening_and_who_is_there() -> None:
    asked = scheduled(ONSALE, signals=[share("requests", 10), crowd_signal(per_replica="1000/s")])
    for seconds, backlog, sessions, replicas in ((-300, 0, 0, 20), (2000, 0, 3, 20), (2000, 0, 0, 1)):
        now_s = NOW_S + seconds
        readings = {"requests": Value(10.0, now_s), "crowd": Crowd(now_s, 0.0, backlog, NOW_S, sessions)}
        assert decide(asked, Observation(2, 2, readings), Memory(), now_s).desired == replicas
