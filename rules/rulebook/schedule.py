"""What a rule knows of the hours to come, and of hours without data: schedule, forecast, fallback. Documents only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from rulebook.cron import parse_cron
from rulebook.document import Count, DnsLabel, Document, Flag, PositiveCount, ProblemList
from rulebook.signals import SignalName
from rulebook.units import Duration

MAX_WINDOW_S: Final = 366 * 86400.0
DEFAULT_ONSALE_FOR_S: Final = 900.0
"""How long after an opening the floor holds at least: the first minutes look quiet to whoever only counts a backlog."""


def _check_cron(value: str) -> str:
    parse_cron(value)
    return value


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None
    return value


class ScheduleEntry(Document):
    """A floor for a while: around an onsale's opening, each time of a cron line, or one date.

    It holds from `lead_s` before that moment until `for_s` after it; for an onsale also for as long as buyers wait or shop.
    """

    onsale: DnsLabel | None = None
    cron: Annotated[str, AfterValidator(_check_cron)] | None = None
    at: Annotated[datetime, WithJsonSchema({"type": "string"})] | None = None
    time_zone: Annotated[str, AfterValidator(_check_zone)] | None = None
    lead_s: Duration = Field(default=0.0, alias="lead", le=MAX_WINDOW_S)
    for_s: Duration | None = Field(default=None, alias="for", gt=0, le=MAX_WINDOW_S)
    min: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if sum(kind is not None for kind in (self.onsale, self.cron, self.at)) != 1:
            problems.add("needs exactly one of onsale, cron and at")
        elif self.onsale is None and self.for_s is None:
            problems.add("needs for: how long the floor holds, such as 4h")
        if self.onsale is not None and self.time_zone is not None:
            problems.add("does not go with an onsale, which has its own times", "timeZone")
        if self.at is not None and self.at.tzinfo is None and self.time_zone is None:
            problems.add("needs a timeZone, or an offset from UTC such as +01:00", "at")
        if self.at is not None and self.at.tzinfo is not None and self.time_zone is not None:
            problems.add("does not go with a time that has its own offset from UTC", "timeZone")
        problems.raise_any()
        return self

    @property
    def hold_s(self) -> float:
        """How long the floor holds after the moment itself."""
        return DEFAULT_ONSALE_FOR_S if self.for_s is None else self.for_s


class Forecast(Document):
    """Expect of `signal` within `horizon_s` what its seasons so far suggest; may only raise.

    `auto` is Holt-Winters where statsmodels is installed (the extra `forecast`), and seasonal-naive where it is not.
    """

    signal: SignalName
    horizon_s: Duration = Field(alias="horizon", gt=0)
    season_s: Duration = Field(default=86400.0, alias="season", ge=60)
    method: Literal["auto", "seasonalNaive", "holtWinters"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if self.horizon_s >= self.season_s:
            problems.add("must be shorter than season", "horizon")
        problems.raise_any()
        return self


class Fallback(Document):
    """What to do `after` so many intervals without data; never below the current count unless `may_scale_down`."""

    after: PositiveCount = 3
    replicas: Count | None = None
    mode: Literal["static", "atLeast", "atMost", "current"] = "atLeast"
    may_scale_down: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if self.replicas is None and self.mode != "current":
            problems.add(f"mode {self.mode} needs replicas")
        problems.raise_any()
        return self
