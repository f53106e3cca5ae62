"""Units: what parses to what, what does not, and that writing and parsing are inverse."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import UnitError
from rulebook.units import (
    MAX_DURATION_S,
    format_duration,
    format_number,
    format_percent,
    format_rate,
    parse_amount,
    parse_duration,
    parse_fraction,
    parse_percent,
    parse_quantity,
    parse_rate,
)

positive = st.floats(min_value=0, max_value=1e15, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "per_s"), [("50/s", 50.0), ("300/m", 5.0), ("3600/h", 1.0), ("0.5 / s", 0.5), ("1/ms", 1000.0)]
)
def test_a_rate_is_read_per_second(text: str, per_s: float) -> None:
    assert parse_rate(text) == per_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("10s", 10.0), ("2m", 120.0), ("1h30m", 5400.0), ("7d", 604800.0), ("1.5s", 1.5)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", 0.5),
        ("2k", 2000.0),
        ("1Ki", 1024.0),
        ("1e3", 1000.0),
        ("3M", 3e6),
        ("2Gi", 2.0 * 1024**3),
        ("-1", -1.0),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, value: float) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(("text", "fraction"), [("20%", 0.2), ("0.1", 0.1), ("100m", 0.1)])
def test_a_tolerance_is_a_percentage_or_a_quantity(text: str, fraction: float) -> None:
    assert parse_fraction(text) == fraction


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5.0), ("50/s", 50.0), ("300ms", 0.3), ("20%", 0.2), ("2k", 2000.0), ("1h", 3600.0)],
)
def test_an_amount_has_any_unit(text: str, value: float) -> None:
    assert parse_amount(text) == value


@pytest.mark.parametrize(
    ("parse", "text"), [(parse_quantity, "9E"), (parse_quantity, "1e18Ki"), (parse_rate, "1e18/ms")]
)
def test_what_its_unit_makes_too_large_is_refused(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(UnitError, match="is out of range"):
        parse(text)


def test_five_m_is_refused_where_it_could_mean_two_things() -> None:
    with pytest.raises(UnitError) as refused:
        parse_amount("5m")
    assert str(refused.value) == (
        "could mean minutes or thousandths (write seconds, or a decimal fraction), found '5m'"
    )


@pytest.mark.parametrize(
    "text", ["", "5", "/s", "5/", "5/s/s", "five/s", "-5/s", "1e999/s", "9" * 200 + "/s", "\u0665/s"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_rate(text)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1s 2", "1 s", "11y", "999999d", "1h" * 100])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_duration(text)


@settings(deadline=None)
@given(positive)
def test_a_rate_survives_writing_and_reading(per_s: float) -> None:
    assert parse_rate(format_rate(per_s)) == per_s


@settings(deadline=None)
@given(
    st.floats(min_value=0, max_value=MAX_DURATION_S, allow_nan=False)
    | st.integers(0, 10**8).map(lambda ms: ms / 1000)
)
def test_a_duration_survives_writing_and_reading(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@settings(deadline=None)
@given(st.floats(min_value=-1e15, max_value=1e15, allow_nan=False))
def test_an_amount_survives_writing_and_reading(value: float) -> None:
    assert parse_amount(format_number(value)) == value


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_a_whole_percentage_survives_writing_and_reading(percent: int) -> None:
    assert parse_percent(format_percent(percent / 100)) == percent / 100
    assert format_percent(percent / 100) == f"{percent}%"


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_rate, parse_duration, parse_percent, parse_quantity, parse_amount, parse_fraction):
        with suppress(UnitError):
            assert isinstance(parse(text), float)
