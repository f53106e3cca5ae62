"""Traces: what is read, and the one line for each way to get them wrong."""

from __future__ import annotations

import pytest

from rulebook.simulation import Segment, TraceError, parse_trace

HEADER = "minute,requests_per_second\n"


def test_minutes_last_until_the_next_row_and_the_last_as_long_as_the_one_before() -> None:
    trace = parse_trace(HEADER + "0,10\n5,20\n\n10,0.5\n", "t.csv")
    assert trace.segments == (Segment(300, 10), Segment(300, 20), Segment(300, 0.5))
    assert trace.requests == 300 * 30.5


def test_seconds_may_begin_anywhere_and_come_from_a_spreadsheet() -> None:
    trace = parse_trace("\ufeffsecond,requests_per_second\r\n7,1\r\n8,2\r\n", "t.csv")
    assert trace.segments == (Segment(1, 1), Segment(1, 2))


def test_a_single_row_lasts_one_unit() -> None:
    assert parse_trace(HEADER + "0,3", "t.csv").seconds == 60


def test_scaling_multiplies_rates_only() -> None:
    trace = parse_trace(HEADER + "0,3\n1,6", "t.csv").scaled(10)
    assert (trace.seconds, trace.peak_per_s) == (120, 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv:1: holds no rows below a header such as minute,requests_per_second"),
        (HEADER, "t.csv:1: holds no rows below a header such as minute,requests_per_second"),
        (
            "hour,requests_per_second\n0,1\n",
            "t.csv:1: the header must be minute,requests_per_second or second,requests_per_second, "
            "found 'hour,requests_per_second'",
        ),
        (HEADER + "0,1\n1\n", "t.csv:3: must hold a time and a rate, found '1'"),
        (HEADER + "0,1\n1,many\n", "t.csv:3: must be a number, found 'many'"),
        (HEADER + "0,1\n1,nan\n", "t.csv:3: must be a number, found 'nan'"),
        (HEADER + "0,1\n0,1\n", "t.csv:3: times must rise from row to row, found '0'"),
        (HEADER + "0,-1\n", "t.csv:2: the rate must be from 0 to 1e+09, found '-1'"),
        (HEADER + "-1,1\n", "t.csv:2: the time must be a whole number of seconds from 0 on, found '-1'"),
        (HEADER + "0,1\n1e9,1\n", "t.csv:3: a trace may last at most 14 days"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(TraceError) as caught:
        parse_trace(text, "t.csv")
    assert str(caught.value) == message


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan"), 1e12])
def test_a_scale_beyond_reason_is_refused(factor: float) -> None:
    with pytest.raises(TraceError, match="scaled by"):
        parse_trace(HEADER + "0,3", "t.csv").scaled(factor)
