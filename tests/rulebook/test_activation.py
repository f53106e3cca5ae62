"""Scale to zero: what wakes a target, when it is idle, and that missing data does neither."""

from __future__ import annotations

from typing import Any

import pytest

from rulebook import Memory, Missing, decide
from tests.rulebook.documents import NOW_S, rule, seen, share, total

FREE = {"scaleDown": {"stabilizationWindowSeconds": 0}}
GONE = Missing("away")


def zero(*signals: dict[str, Any], **more: Any) -> Any:
    return rule(
        replicas={"min": 0, "max": 20},
        signals=list(signals) or [share("jobs", 4, activateAbove=3)],
        behavior=FREE,
        **more,
    )


@pytest.mark.parametrize(
    ("current", "jobs", "expected", "bound_by"),
    [
        pytest.param(0, 0.0, 0, "signals", id="asleep, nothing to do"),
        pytest.param(0, 3.0, 0, "activation", id="asleep, not above"),
        pytest.param(0, 3.1, 1, "signals", id="awake"),
        pytest.param(0, 17.0, 4, "policies", id="awake with a jump, within policies"),
        pytest.param(1, 3.0, 0, "activation", id="back to sleep, though a share rounds up to one"),
        pytest.param(1, 4.0, 1, "signals", id="one at work"),
        pytest.param(6, 0.0, 0, "signals", id="from many to none"),
    ],
)
def test_a_signal_wakes_and_puts_to_sleep(current: int, jobs: float, expected: int, bound_by: str) -> None:
    decision = decide(zero(), seen(current, {"jobs": jobs}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (expected, bound_by)


def test_sleep_comes_after_the_window_of_stabilisation() -> None:
    asked = rule(replicas={"min": 0, "max": 20}, signals=[share("jobs", 4, activateAbove=3)])
    memory = decide(asked, seen(1, {"jobs": 4.0}), Memory(), NOW_S).memory
    assert decide(asked, seen(1, {"jobs": 0.0}), memory, NOW_S + 300).desired == 1
    assert decide(asked, seen(1, {"jobs": 0.0}), memory, NOW_S + 301).desired == 0


@pytest.mark.parametrize(
    ("current", "on_missing", "expected"),
    [
        pytest.param(0, "hold", 0, id="asleep, unknown: sleeps on"),
        pytest.param(3, "hold", 3, id="awake, unknown: stays"),
        pytest.param(3, "zero", 3, id="awake, no signal at all: stays, whatever it counts as"),
        pytest.param(3, "fail", 3, id="awake, no change at all"),
    ],
)
def test_missing_data_neither_wakes_nor_puts_to_sleep(current: int, on_missing: str, expected: int) -> None:
    asked = zero(share("jobs", 4, activateAbove=3, onMissing=on_missing))
    assert decide(asked, seen(current, {"jobs": GONE}), Memory(), NOW_S).desired == expected


def test_one_of_several_is_enough_to_wake_and_all_are_needed_to_sleep() -> None:
    asked = zero(share("jobs", 4, activateAbove=3), share("mails", 100, activateAbove=0))
    assert decide(asked, seen(0, {"jobs": 0.0, "mails": 1.0}), Memory(), NOW_S).desired == 1
    assert decide(asked, seen(1, {"jobs": 2.0, "mails": 0.0}), Memory(), NOW_S).desired == 0
    assert decide(asked, seen(1, {"jobs": 2.0, "mails": GONE}), Memory(), NOW_S).desired == 1
    assert decide(asked, seen(0, {"jobs": 9.0, "mails": GONE}), Memory(), NOW_S).desired == 3


def test_a_signal_that_wakes_nothing_scales_only_what_is_awake() -> None:
    asked = zero(share("jobs", 4, activateAbove=3), total("latency", "300ms", onMissing="ignore"))
    assert decide(asked, seen(0, {"jobs": 0.0, "latency": 9.0}), Memory(), NOW_S).desired == 0
    assert decide(asked, seen(2, {"jobs": 8.0, "latency": 0.6}), Memory(), NOW_S).desired == 4


def test_an_ignored_signal_takes_no_part() -> None:
    asked = zero(share("jobs", 4, activateAbove=3), share("mails", 100, activateAbove=0, onMissing="ignore"))
    nothing = Missing("empty", answered=True)
    assert decide(asked, seen(1, {"jobs": 2.0, "mails": nothing}), Memory(), NOW_S).desired == 0
    assert decide(asked, seen(1, {"jobs": 2.0, "mails": GONE}), Memory(), NOW_S).desired == 1


def test_percentages_of_nothing_still_give_a_first_replica() -> None:
    percent = {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
    asked = rule(
        replicas={"min": 0, "max": 20}, signals=[share("jobs", 4)], behavior={**FREE, "scaleUp": percent}
    )
    decision = decide(asked, seen(0, {"jobs": 40.0}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (1, "activation")
    disabled = {**FREE, "scaleUp": {"selectPolicy": "Disabled"}}
    asked = rule(replicas={"min": 0, "max": 20}, signals=[share("jobs", 4)], behavior=disabled)
    assert decide(asked, seen(0, {"jobs": 40.0}), Memory(), NOW_S).desired == 0


def test_without_activation_zero_is_reached_when_nothing_is_asked_for() -> None:
    asked = zero(share("jobs", 4))
    assert decide(asked, seen(2, {"jobs": 0.0}), Memory(), NOW_S).desired == 0
    assert decide(asked, seen(0, {"jobs": 0.1}), Memory(), NOW_S).desired == 1


def test_a_schedule_wakes_an_idle_target() -> None:
    asked = zero(schedule=[{"cron": "* * * * *", "for": "2m", "min": 2}])
    decision = decide(asked, seen(0, {"jobs": 0.0}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (2, "schedule")


def test_with_a_minimum_nothing_is_put_to_sleep() -> None:
    asked = rule(signals=[share("jobs", 4, activateAbove=3)], behavior=FREE)
    decision = decide(asked, seen(2, {"jobs": 0.0}), Memory(), NOW_S)
    assert decision.desired == 1
    assert "activation" not in [step.name for step in decision.steps]
