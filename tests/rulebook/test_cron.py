"""Cron lines: which days and times they match, in which zone, and what the change of clocks does to them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rulebook.cron import CronError, parse_cron
from rulebook.occurrences import latest_start, starts

BRUSSELS = "Europe/Brussels"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def times(cron: str, after: str, until: str, zone: str = BRUSSELS) -> list[str]:
    found = starts(cron, zone, at(after), at(until))
    return [datetime.fromtimestamp(moment, UTC).strftime("%m-%d %H:%M") for moment in found]


@pytest.mark.parametrize(
    ("line", "minutes", "hours"),
    [
        ("0 9 * * *", [0], [9]),
        ("*/20 0-6/3 * * *", [0, 20, 40], [0, 3, 6]),
        ("5,10-12 23 * * *", [5, 10, 11, 12], [23]),
        ("50/5 22/1 * * *", [50, 55], [22, 23]),
    ],
)
def test_minutes_and_hours_are_numbers_ranges_steps_and_lists(
    line: str, minutes: list[int], hours: list[int]
) -> None:
    cron = parse_cron(line)
    assert (list(cron.minutes), list(cron.hours)) == (minutes, hours)


@pytest.mark.parametrize(
    ("line", "days"),
    [
        pytest.param("0 0 * * SAT", [5, 12, 19, 26], id="a weekday by name"),
        pytest.param("0 0 * * sat,7", [5, 6, 12, 13, 19, 20, 26, 27], id="Sunday is 7 too"),
        pytest.param("0 0 1-7 DEC *", [1, 2, 3, 4, 5, 6, 7], id="days of a month by name"),
        pytest.param("0 0 13 * FRI", [4, 11, 13, 18, 25], id="two restricted days: either"),
        pytest.param("0 0 */10 * FRI", [11], id="a star before the slash is no restriction: both"),
        pytest.param("0 0 1-10 * */2", [1, 3, 5, 6, 8, 10], id="the same for the weekday"),
        pytest.param("0 0 * * SAT-SUN", [5, 6, 12, 13, 19, 20, 26, 27], id="a range up to Sunday"),
        pytest.param("0 0 30 FEB *", [], id="never"),
    ],
)
def test_days_match_as_in_vixie_cron(line: str, days: list[int]) -> None:
    december = [date(2026, 12, 1) + timedelta(days=number) for number in range(31)]
    assert [day.day for day in december if parse_cron(line).on(day)] == days


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 9 * *", "must be five cron fields: minute hour day month weekday"),
        ("@daily", "must be five cron fields: minute hour day month weekday"),
        ("60 9 * * *", "minute at character 1: must be within 0 to 59, found 60"),
        ("0 9-24 * * *", "hour at character 5: must be within 0 to 23, found 24"),
        ("0 9 0 * *", "day of month at character 5: must be within 1 to 31, found 0"),
        ("0 9 * 1,13 *", "month at character 9: must be within 1 to 12, found 13"),
        (
            "0 9 * * 1,SOT",
            "day of week at character 11: must be a number, or one of SUN, MON, TUE, WED, THU, FRI, SAT, found 'SOT'",
        ),
        ("0 9 * * FRI-MON", "day of week at character 9: range FRI-MON goes backwards"),
        ("*/0 9 * * *", "minute at character 3: step must be at least 1"),
        ("1,,2 9 * * *", "minute at character 3: must be *, a number, a range or a list of them, found ''"),
        ("0 x * * *", "hour at character 3: must be *, a number, a range or a list of them, found 'x'"),
        ("0" * 300, "must be at most 200 characters long"),
    ],
)
def test_a_wrong_line_is_wrong_at_a_place(line: str, message: str) -> None:
    with pytest.raises(CronError) as refused:
        parse_cron(line)
    assert str(refused.value) == message


def test_a_time_is_a_local_time() -> None:
    assert times("0 9 * * SAT", "2026-12-01", "2026-12-15") == ["12-05 08:00", "12-12 08:00"]
    assert times("0 9 * * SAT", "2026-07-01", "2026-07-08") == ["07-04 07:00"]
    assert times("0 9 * * *", "2026-12-01", "2026-12-02", "Pacific/Auckland") == ["12-01 20:00"]


def test_a_time_which_the_clocks_skip_takes_place_when_they_skip_it() -> None:
    assert times("30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00") == ["03-29 01:00", "03-30 00:30"]


def test_a_time_which_comes_twice_takes_place_once() -> None:
    assert times("30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00") == ["10-25 00:30", "10-26 01:30"]


def test_a_line_for_every_hour_follows_the_wall_clock() -> None:
    assert times("30 * * * *", "2026-10-24T23:00", "2026-10-25T02:00") == [
        "10-24 23:30",
        "10-25 00:30",
        "10-25 01:30",
    ]
    assert times("*/30 * * * *", "2026-03-29T00:15", "2026-03-29T01:45") == [
        "03-29 00:30",
        "03-29 01:00",
        "03-29 01:30",
    ]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "UTC"])
def test_the_latest_start_is_the_last_of_all(zone: str) -> None:
    for cron in ("*/7 * * * *", "15 2 * * *", "0 0 1 * MON"):
        for day in (at("2026-04-05"), at("2026-03-08T07:31"), at("2026-11-01T05:00")):
            every = list(starts(cron, zone, day - 40 * 86400, day))
            assert latest_start(cron, zone, day, 40 * 86400) == every[-1]


def test_a_line_that_never_comes_has_no_latest_start() -> None:
    assert latest_start("0 0 30 2 *", "UTC", at("2026-12-01"), 366 * 86400) is None
