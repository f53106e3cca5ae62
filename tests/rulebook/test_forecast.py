"""Forecasts: a bounded history, what it makes one expect, and that a decision is only ever raised by it."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import Expected, Forecast, Memory, Missing, Observation, Value, decide, forecast
from rulebook.forecast import ForecastError, make_forecast
from rulebook.history import SEASONS, History, begin_history
from tests.rulebook.documents import NOW_S, rule
from tests.tools import need_package

DAY_S = 86400.0
MIDNIGHT_S = NOW_S - NOW_S % DAY_S


def asked(**more: Any) -> Forecast:
    return Forecast.model_validate(
        {"signal": "requests", "horizon": "30m", "season": "24h", "method": "seasonalNaive", **more}
    )


def lived(days: float, minutes: int = 5) -> History:
    """A history of days: 100 all day, 900 from 10 to 11."""
    history = begin_history(asked(), 60.0)
    steps = int(days * 1440 / minutes)
    for step in range(steps):
        at_s = MIDNIGHT_S + step * minutes * 60
        hour = at_s % DAY_S / 3600
        history = history.with_value(900.0 if 10 <= hour < 11 else 100.0, at_s)
    return history


def expect(spec: Forecast, history: History, at_s: float) -> float | None:
    expected = make_forecast(spec, history, at_s)
    return None if isinstance(expected, Missing) else round(expected.value, 6)


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        pytest.param(9.0, 100.0, id="an hour before the rush"),
        pytest.param(9.6, 900.0, id="the rush is within the horizon"),
        pytest.param(10.5, 900.0, id="in the midst of it"),
        pytest.param(11.1, 100.0, id="after it"),
    ],
)
def test_the_naive_way_expects_what_was_a_season_ago(hour: float, expected: float) -> None:
    assert expect(asked(), lived(1 + hour / 24), MIDNIGHT_S + DAY_S + hour * 3600) == expected


def test_without_a_season_there_is_no_forecast() -> None:
    assert make_forecast(asked(), lived(0.5), MIDNIGHT_S + DAY_S / 2) == Missing("no season was seen yet")
    assert isinstance(make_forecast(asked(), begin_history(asked(), 15.0), NOW_S), Missing)


def test_a_day_that_was_not_seen_gives_way_to_the_one_before() -> None:
    history = lived(1)
    expected = make_forecast(asked(), history, MIDNIGHT_S + 2 * DAY_S + 10 * 3600)
    assert expected == Expected(
        "requests", 900.0, MIDNIGHT_S + 2 * DAY_S + 10 * 3600, "what it reached 2 seasons ago"
    )


def test_holt_winters_expects_the_rush_too() -> None:
    need_package("statsmodels")
    spec = asked(method="holtWinters")
    hour_before = MIDNIGHT_S + 3 * DAY_S + 9.6 * 3600
    expected = make_forecast(spec, lived(3 + 9.6 / 24), hour_before)
    assert isinstance(expected, Expected)
    assert (expected.method, round(expected.value)) == ("Holt-Winters", 900)
    assert isinstance(make_forecast(spec, lived(1.5), hour_before), Missing)


def test_without_the_extra_the_naive_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "has_statsmodels", lambda: False)
    at_s = MIDNIGHT_S + 3 * DAY_S + 9.6 * 3600
    assert expect(asked(method="auto"), lived(3 + 9.6 / 24), at_s) == 900.0
    with pytest.raises(ForecastError, match=r"install tidegate\[forecast\]"):
        make_forecast(asked(method="holtWinters"), lived(3), at_s)


def test_statsmodels_is_not_loaded_by_the_rulebook() -> None:
    import subprocess

    code = "import sys, rulebook, rulebook.forecast; print('statsmodels' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e6, 1e7)), max_size=60))
def test_a_history_is_bounded(values: list[tuple[float, float]]) -> None:
    history = History(600.0, 4)
    for value, at_s in values:
        history = history.with_value(value, NOW_S + at_s)
    assert len(history.values) <= 4 * SEASONS


FREE = {"scaleDown": {"stabilizationWindowSeconds": 0}}
RULE = rule(
    behavior={**FREE, "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}]}},
    forecast={"signal": "requests", "horizon": "10m"},
)


def decided(expected: Expected | None, current: int = 5, requests: float = 50.0) -> tuple[int, str]:
    observation = Observation(current, current, {"requests": Value(requests, NOW_S)}, forecast=expected)
    decision = decide(RULE, observation, Memory(), NOW_S)
    return decision.desired, decision.bound_by


def test_a_forecast_raises_and_says_so() -> None:
    assert decided(Expected("requests", 200.0, NOW_S, "test")) == (20, "forecast")


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(None, id="none yet"),
        pytest.param(Expected("requests", 10.0, NOW_S, "test"), id="less than there is"),
        pytest.param(Expected("requests", 52.0, NOW_S, "test"), id="within tolerance"),
        pytest.param(Expected("requests", math.nan, NOW_S, "test"), id="not a number"),
        pytest.param(Expected("requests", -5.0, NOW_S, "test"), id="negative"),
        pytest.param(Expected("others", 500.0, NOW_S, "test"), id="of another signal"),
        pytest.param(Expected("requests", 500.0, NOW_S - 601, "test"), id="old"),
    ],
)
def test_what_is_no_higher_or_no_good_changes_nothing(expected: Expected | None) -> None:
    assert decided(expected) == (5, "signals")


def test_a_forecast_keeps_a_count_from_falling() -> None:
    assert decided(Expected("requests", 50.0, NOW_S, "test"), requests=10.0) == (5, "forecast")
    assert decided(None, requests=10.0) == (1, "signals")


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, 90))
def test_with_a_forecast_there_are_never_fewer(requests: float, expected: float, current: int) -> None:
    without = decided(None, current, requests)[0]
    assert decided(Expected("requests", expected, NOW_S, "test"), current, requests)[0] >= without
