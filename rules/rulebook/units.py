"""Units as ops write them: rates, durations, percentages and quantities, parsed to plain floats and back.

`50/s` -> 50.0 a second, `300ms` -> 0.3 seconds, `20%` -> 0.2, `2k` -> 2000.0. In a document the unit must be written;
Python code that builds a model may pass the plain number. The annotated types below are what the models use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from rulebook.errors import UnitError, shorten

FROM_DOCUMENT: Final = "from_document"
"""Key of the validation context that says: this comes from a document, so plain numbers lack their unit."""

UNIT_KEY: Final = "x-unit"
"""Key in the JSON Schemas of these types that says how a number of theirs is written."""

MAX_LENGTH: Final = 64
MAX_DURATION_S: Final = 10 * 366 * 86400.0

_NUMBER = r"(?:\d{1,20}(?:\.\d{1,24})?|\.\d{1,24})(?:[eE][+-]?\d{1,3})?"
_RATE = re.compile(rf"({_NUMBER})\s*/\s*(ms|s|m|h|d)", re.ASCII)
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d)", re.ASCII)
_PERCENT = re.compile(rf"({_NUMBER})\s*%", re.ASCII)
_QUANTITY = re.compile(rf"([+-]?{_NUMBER})(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?", re.ASCII)

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Divisors, not factors, below one: 300 / 1000 is the float nearest to 0.3, 300 * 0.001 is not.
_QUANTITY_DIVISOR: Final = {"n": 1e9, "u": 1e6, "m": 1e3}
_QUANTITY_FACTOR: Final = {
    **{suffix: 1000.0 ** (power + 1) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": 1024.0 ** (power + 1) for power, suffix in enumerate("KMGTPE")},
}


def parse_rate(text: str) -> float:
    """Parse `50/s`, `300/m`, `1000/h` to a rate per second.

    Raises:
        UnitError: not a rate.
    """
    match = _match(_RATE, text, "a rate such as 50/s or 300/m")
    number, unit = _finite(match[1], text), match[2]
    return _in_range(number * 1000.0 if unit == "ms" else number / _SECONDS[unit], text)


def parse_duration(text: str) -> float:
    """Parse `300ms`, `10s`, `2m`, `1h30m`, `7d` to seconds.

    Raises:
        UnitError: not a duration, or longer than ten years.
    """
    _match(_DURATION, text, "a duration such as 300ms, 10s or 2m")
    total = 0.0
    for part in _DURATION_PART.finditer(text.strip()):
        number = _finite(part[1], text)
        total += number / 1000.0 if part[2] == "ms" else number * _SECONDS[part[2]]
    if total > MAX_DURATION_S:
        raise UnitError(f"must be at most ten years, found {shorten(text)}")
    return total


def parse_percent(text: str) -> float:
    """Parse `20%` to the fraction 0.2.

    Raises:
        UnitError: not a percentage.
    """
    return _finite(_match(_PERCENT, text, "a percentage such as 20%")[1], text) / 100.0


def parse_quantity(text: str) -> float:
    """Parse a Kubernetes quantity: `500m` -> 0.5, `2k` -> 2000, `1Ki` -> 1024, `1e3` -> 1000.

    Raises:
        UnitError: not a quantity.
    """
    match = _match(_QUANTITY, text, "a quantity such as 500m, 2k or 1Ki")
    number, suffix = _finite(match[1], text), match[2]
    if suffix is None:
        return number
    if suffix in _QUANTITY_DIVISOR:
        return number / _QUANTITY_DIVISOR[suffix]
    return _in_range(number * _QUANTITY_FACTOR[suffix], text)


def parse_amount(text: str) -> float:
    """Parse an amount in a signal's own unit: any of the four, as long as it can be read in one way only.

    Raises:
        UnitError: none of them, or `5m`, which is both five minutes and five thousandths.
    """
    stripped = text.strip()
    if _QUANTITY.fullmatch(stripped) and stripped.endswith("m"):
        raise UnitError(
            f"could mean minutes or thousandths (write seconds, or a decimal fraction), found {shorten(text)}"
        )
    for pattern, parse in (
        (_QUANTITY, parse_quantity),
        (_RATE, parse_rate),
        (_DURATION, parse_duration),
        (_PERCENT, parse_percent),
    ):
        if pattern.fullmatch(stripped):
            return parse(stripped)
    raise UnitError(f"must be an amount such as 5, 50/s, 300ms or 20%, found {shorten(text)}")


def parse_fraction(text: str) -> float:
    """Parse `10%`, or the quantity which the HPA writes for the same: `0.1`, `100m`.

    Raises:
        UnitError: neither.
    """
    return parse_percent(text) if text.strip().endswith("%") else parse_quantity(text)


def format_number(value: float) -> str:
    """Write a float in its shortest exact form, without a needless `.0`."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def format_rate(per_s: float) -> str:
    """Write a rate: `50/s`."""
    return f"{format_number(per_s)}/s"


def format_duration(seconds: float) -> str:
    """Write a duration: `300ms`, `90s` as `1m30s`; parsing it gives exactly the same float."""
    milliseconds = round(seconds * 1000.0)
    if seconds == int(seconds):
        rest, text = int(seconds), ""
        for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
            count, rest = divmod(rest, size)
            text += f"{count}{unit}" if count else ""
        return text or "0s"
    if milliseconds / 1000.0 == seconds and seconds < 10:
        return f"{milliseconds}ms"
    return f"{format_number(seconds)}s"


def format_percent(fraction: float) -> str:
    """Write a percentage: `20%`; parsing it gives the same fraction, to the last bit or two."""
    rounded = format(fraction * 100.0, ".12g")
    return f"{format_number(float(rounded))}%"


def _match(pattern: re.Pattern[str], text: str, meant: str) -> re.Match[str]:
    match = pattern.fullmatch(text.strip()) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise UnitError(f"must be {meant}, found {shorten(text)}")
    return match


def _finite(number: str, text: str) -> float:
    return _in_range(float(number), text)


def _in_range(value: float, text: str) -> float:
    """Return a number which can be written out and read again: with its unit applied, too."""
    if not math.isfinite(value) or abs(value) > 1e18:
        raise UnitError(f"is out of range, found {shorten(text)}")
    return value


def _reader(
    parse: Callable[[str], float], meant: str, *, plain: bool
) -> Callable[[object, ValidationInfo], float]:
    def read(value: object, info: ValidationInfo) -> float:
        if isinstance(value, str):
            return parse(value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and (plain or not (info.context or {}).get(FROM_DOCUMENT)):
            try:
                converted = float(value)  # type: ignore[arg-type]  # narrowed by `number`
            except OverflowError:
                converted = math.inf
            if not math.isfinite(converted) or abs(converted) > 1e18:
                raise UnitError(f"is out of range, found {shorten(value)}")
            return converted
        raise UnitError(f"must be {meant}, found {shorten(value)}")

    return read


def _schema(unit: str, pattern: str, *examples: str, plain: bool = False) -> WithJsonSchema:
    text = {"type": "string", "pattern": rf"^\s*{pattern}\s*$", "examples": list(examples)}
    return WithJsonSchema({UNIT_KEY: unit, **({"anyOf": [{"type": "number"}, text]} if plain else text)})


_SIMPLE = r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_RATE_SCHEMA = rf"{_SIMPLE}\s*/\s*(ms|s|m|h|d)"
_DURATION_SCHEMA = rf"({_SIMPLE}(ms|s|m|h|d))+"
_PERCENT_SCHEMA = rf"{_SIMPLE}\s*%"
_QUANTITY_SCHEMA = rf"[+-]?{_SIMPLE}(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"
_AMOUNT_SCHEMA = rf"({_QUANTITY_SCHEMA}|{_RATE_SCHEMA}|{_DURATION_SCHEMA}|{_PERCENT_SCHEMA})"

Rate = Annotated[
    float,
    BeforeValidator(_reader(parse_rate, "a rate such as 50/s or 300/m", plain=False)),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    _schema("rate", _RATE_SCHEMA, "50/s", "300/m"),
]
"""A rate per second; more than nothing is for the field to say."""

Duration = Annotated[
    float,
    BeforeValidator(_reader(parse_duration, "a duration such as 300ms, 10s or 2m", plain=False)),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    Field(ge=0, le=MAX_DURATION_S),
    _schema("duration", _DURATION_SCHEMA, "300ms", "10s", "2m", "1h30m"),
]
"""Seconds."""

Percent = Annotated[
    float,
    BeforeValidator(_reader(parse_percent, "a percentage such as 20%", plain=False)),
    PlainSerializer(format_percent, return_type=str, when_used="json"),
    Field(ge=0),
    _schema("percent", _PERCENT_SCHEMA, "20%"),
]
"""A fraction: 20 % is 0.2."""

Fraction = Annotated[
    float,
    BeforeValidator(_reader(parse_fraction, "a fraction such as 10% or 0.1", plain=True)),
    PlainSerializer(format_percent, return_type=str, when_used="json"),
    Field(ge=0),
    _schema("percent", rf"({_PERCENT_SCHEMA}|{_QUANTITY_SCHEMA})", "10%", "0.1", plain=True),
]
"""A tolerance: as a percentage, or as the HPA writes it."""

Amount = Annotated[
    float,
    BeforeValidator(_reader(parse_amount, "an amount such as 5, 50/s, 300ms or 20%", plain=True)),
    PlainSerializer(format_number, return_type=str, when_used="json"),
    _schema("number", _AMOUNT_SCHEMA, "5", "50/s", "300ms", "20%", plain=True),
]
"""An amount in a signal's own unit: `5`, `50/s`, `300ms` (in seconds), `20%` (as a fraction)."""
