"""What a rule knows of the hours to come, and of hours without data: schedule, forecast, fallback. Documents only."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from rulebook.document import Count, DnsLabel, Document, Flag, PositiveCount, ProblemList
from rulebook.signals import SignalName
from rulebook.units import Duration

_CRON_FIELD = r"(?:\*|[0-9A-Za-z]{1,3}(?:-[0-9A-Za-z]{1,3})?)(?:/[0-9]{1,2})?"
_CRON = re.compile(rf"{_CRON_FIELD}(?:,{_CRON_FIELD})*")


def _check_cron(value: str) -> str:
    fields = value.split()
    if len(fields) != 5 or len(value) > 200 or not all(_CRON.fullmatch(field) for field in fields):
        raise ValueError("must be five cron fields: minute hour day month weekday")
    return value


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None
    return value


class ScheduleEntry(Document):
    """A floor for a while: from `lead_s` before an onsale opens, or for `for_s` after each time of a cron line."""

    onsale: DnsLabel | None = None
    lead_s: Duration | None = Field(default=None, alias="lead")
    cron: Annotated[str, AfterValidator(_check_cron)] | None = None
    time_zone: Annotated[str, AfterValidator(_check_zone)] | None = None
    for_s: Duration | None = Field(default=None, alias="for", gt=0)
    min: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if (self.onsale is None) == (self.cron is None):
            problems.add("needs exactly one of onsale and cron")
        elif self.cron is not None and self.for_s is None:
            problems.add("needs for: how long the floor holds, such as 4h")
        if self.onsale is None and self.lead_s is not None:
            problems.add("only goes with an onsale", "lead")
        if self.cron is None and self.time_zone is not None:
            problems.add("only goes with cron", "timeZone")
        if self.cron is None and self.for_s is not None:
            problems.add("only goes with cron", "for")
        problems.raise_any()
        return self


class Forecast(Document):
    """Expect of `signal` in `horizon_s` what it did one `season_s` ago; may only raise."""

    signal: SignalName
    horizon_s: Duration = Field(alias="horizon", gt=0)
    season_s: Duration = Field(default=86400.0, alias="season", gt=0)


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
