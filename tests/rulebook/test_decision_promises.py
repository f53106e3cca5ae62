"""P10 over rules with everything: whatever is seen, a decision comes, within bounds; and blindness never scales down."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import Crowd, Expected, Memory, Missing, Observation, OnsaleTimes, Reading, Value, decide
from tests.rulebook.documents import NOW_S, again, crowd_signal, rule, share, total

MISSING = st.just(Missing("away"))
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1000)
values = NUMBERS.map(lambda value: Value(value, NOW_S))
crowds = st.builds(
    Crowd,
    at_s=st.just(NOW_S),
    arrivals_per_s=NUMBERS,
    backlog=st.integers(0, 10**7),
    opens_at_s=st.none() | st.floats(-7200, 7200).map(lambda offset: NOW_S + offset),
    sessions=st.none() | st.integers(0, 10**6),
)
onsales = st.dictionaries(
    st.just("ball"),
    st.builds(
        OnsaleTimes,
        opens_at_s=st.none() | st.floats(-7200, 7200).map(lambda offset: NOW_S + offset),
        backlog=st.none() | st.integers(0, 100),
        sessions=st.none() | st.integers(0, 100),
    ),
)
forecasts = st.none() | st.builds(
    Expected, signal=st.just("requests"), value=NUMBERS, made_at_s=st.just(NOW_S), method=st.just("test")
)
SCHEDULE = [
    {"onsale": "gala", "lead": "10m", "min": 9},
    {"onsale": "ball", "lead": "1h", "for": "30m", "min": 12},
    {"cron": "*/7 * * * *", "timeZone": "America/St_Johns", "for": "3m", "min": 7},
    {"at": "2027-01-15T08:00:00Z", "for": "1h", "min": 500},
]
FREE = {"scaleDown": {"stabilizationWindowSeconds": 0}}


def everything(least: int, behaviour: bool, formula: bool, **more: Any) -> Any:
    spec: dict[str, Any] = {
        "signals": [
            share("requests", 10, **({"activateAbove": 3} if least == 0 else {})),
            total("latency", "300ms"),
            crowd_signal(),
        ],
        "replicas": {"min": least, "max": 40},
        "schedule": SCHEDULE,
        "forecast": {"signal": "requests", "horizon": "10m"},
        **({"behavior": FREE} if behaviour else {}),
        **({"decide": "max(requests, crowd) + latency"} if formula else {}),
        **more,
    }
    return rule(**spec)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([0, 2]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 60),
    st.fixed_dictionaries({}, optional={"requests": values | MISSING, "latency": values | MISSING, "crowd": crowds | MISSING}),
    onsales,
    forecasts,
    st.floats(-3e7, 3e7),
)  # fmt: skip
def test_whatever_is_seen_there_is_a_decision_within_bounds(
    least: int,
    behaviour: bool,
    formula: bool,
    current: int,
    readings: dict[str, Reading],
    times: dict[str, OnsaleTimes],
    forecast: Expected | None,
    later_s: float,
) -> None:
    asked = everything(least, behaviour, formula)
    now_s = NOW_S + later_s
    decision = decide(asked, Observation(current, current, readings, times, forecast), Memory(), now_s)
    assert decision.desired == decision.steps[-1].replicas
    assert min(least, current) <= decision.desired <= max(40, current)
    assert decision.bound_by in {step.name for step in decision.steps}
    assert "\n" not in decision.reason
    assert again(decision.memory) == decision.memory


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([0, 2]),
    st.booleans(),
    st.integers(0, 60),
    st.sampled_from(["requests", "latency", "crowd"]),
    values,
    crowds,
    st.sampled_from([None, "static", "atLeast", "atMost", "current"]),
)
def test_while_anything_is_missing_nothing_scales_down(
    least: int, behaviour: bool, current: int, gone: str, value: Value, crowd: Crowd, mode: str | None
) -> None:
    fallback = {} if mode is None else {"fallback": {"after": 1, "replicas": 3, "mode": mode}}
    asked = everything(least, behaviour, formula=False, **fallback)
    readings: dict[str, Reading] = {
        "requests": value,
        "latency": value,
        "crowd": crowd,
        gone: Missing("away"),
    }
    decision = decide(asked, Observation(current, current, readings), Memory(), NOW_S)
    assert decision.desired >= current
