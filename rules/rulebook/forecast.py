"""What a signal may reach within a horizon, by its seasons so far: the seasonal-naive way, or Holt-Winters by statsmodels.

Made outside of `decide`, which gets the frozen result in its observation: fitting takes a second where deciding takes
microseconds. Whoever runs a rule keeps a `History` beside its `Memory`, adds each value, and makes a forecast about once
a slot. statsmodels is the extra `forecast`, and imported only when it is used.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from functools import lru_cache
from typing import Final

from rulebook.errors import RulebookError
from rulebook.history import SEASONS, History
from rulebook.observation import Expected, Missing
from rulebook.schedule import Forecast

LEAST_SEASONS_TO_FIT: Final = 2
LEAST_SEEN: Final = 0.5
"""Of the horizon's slots a season ago: so many must have been seen for a naive forecast."""


class ForecastError(RulebookError):
    """Holt-Winters is asked for by name, and statsmodels is not installed."""


def make_forecast(forecast: Forecast, history: History, now_s: float) -> Expected | Missing:
    """Expect the highest value within the horizon.

    `auto` takes Holt-Winters where statsmodels is there and two whole seasons were seen, else the naive way.

    Raises:
        ForecastError: the method is holtWinters, and statsmodels is not installed.
    """
    if forecast.method == "holtWinters" and not has_statsmodels():
        raise ForecastError("forecast method holtWinters needs statsmodels: install tidegate[forecast]")
    if forecast.method != "seasonalNaive" and has_statsmodels():
        expected = _holt_winters(forecast, history, now_s)
        if expected is not None:
            return expected
    if forecast.method == "holtWinters":
        return Missing("fewer than two whole seasons were seen")
    return _seasonal_naive(forecast, history, now_s)


@lru_cache(maxsize=1)
def has_statsmodels() -> bool:
    """Whether the extra `forecast` is installed."""
    return importlib.util.find_spec("statsmodels") is not None


def _seasonal_naive(forecast: Forecast, history: History, now_s: float) -> Expected | Missing:
    """Take what the same stretch of the last season reached, or of the one before where that was not seen."""
    first, last = _ahead(forecast, history, now_s)
    for season in range(1, SEASONS + 1):
        back = season * history.season_slots
        values = [history.at(slot - back) for slot in range(first, last + 1)]
        seen = [value for value in values if value is not None]
        if len(seen) >= LEAST_SEEN * len(values):
            ago = "a season" if season == 1 else f"{season} seasons"
            return Expected(forecast.signal, max(seen), now_s, f"what it reached {ago} ago")
    return Missing("no season was seen yet")


def _holt_winters(forecast: Forecast, history: History, now_s: float) -> Expected | None:
    """Fit level and season (no trend: it would run away over a horizon) to what was seen, gaps filled by the season."""
    series = _filled(history)
    if series is None:
        return None
    first, last = _ahead(forecast, history, now_s)
    steps = last - history.last
    if steps < 1 or steps > history.season_slots:
        return None
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that converges late is still a fit
        try:
            model = ExponentialSmoothing(
                series,
                seasonal="add",
                seasonal_periods=history.season_slots,
                initialization_method="heuristic" if len(series) >= 10 else "estimated",
            )
            ahead = list(model.fit().forecast(steps))
        except (ValueError, ArithmeticError):
            return None
    reached = [float(value) for value in ahead[max(first - history.last - 1, 0) :]]
    if not reached or not all(math.isfinite(value) for value in reached):
        return None
    return Expected(forecast.signal, max(*reached, 0.0), now_s, "Holt-Winters")


def _filled(history: History) -> list[float] | None:
    """Give whole seasons without gaps, or None where fewer than two were seen or more than half of them are gaps."""
    seasons = len(history.values) // history.season_slots
    if seasons < LEAST_SEASONS_TO_FIT:
        return None
    count = seasons * history.season_slots
    kept = list(history.values[-count:])
    if sum(math.isnan(value) for value in kept) > count / 2:
        return None
    means = []
    for place in range(history.season_slots):
        same = [value for value in kept[place :: history.season_slots] if not math.isnan(value)]
        means.append(sum(same) / len(same) if same else math.nan)
    known = [mean for mean in means if not math.isnan(mean)]
    overall = sum(known) / len(known)
    for index, value in enumerate(kept):
        if math.isnan(value):
            mean = means[index % history.season_slots]
            kept[index] = overall if math.isnan(mean) else mean
    return kept


def _ahead(forecast: Forecast, history: History, now_s: float) -> tuple[int, int]:
    """The slots from now until the horizon."""
    return int(now_s // history.slot_s), int((now_s + forecast.horizon_s) // history.slot_s)
