"""Series of samples in the notation of promtool's unit tests, and what is seen of them at a time.

`0+10x3` is 0 10 20 30, `8-2x2` is 8 6 4, `5x3` is 5 5 5 5 (so many *more*, as in promtool), `_` no sample, `_x3` three
of those, `stale` the end of the series until the next number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from rulebook.errors import RulebookError, shorten

MAX_SAMPLES: Final = 100_000
LOOKBACK_S: Final = 300.0
"""How long Prometheus goes on showing the last sample of a series that has no newer one."""

Sample: TypeAlias = float | Literal["none", "stale"]

_NUMBER = r"(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,3})?"
_ITEM = re.compile(rf"([+-]?(?:{_NUMBER}|Inf|NaN))(?:([+-]{_NUMBER})?x([0-9]{{1,6}}))?", re.ASCII)
_GAP = re.compile(r"_(?:x([0-9]{1,6}))?", re.ASCII)


class SeriesError(RulebookError, ValueError):
    """A text is not a series of samples."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The number that a series shows at a time, and how old it is."""

    value: float
    age_s: float


@lru_cache(maxsize=256)
def parse_series(text: str) -> tuple[Sample, ...]:
    """Expand a series to its samples.

    Raises:
        SeriesError: it is not one, or has more than `MAX_SAMPLES`.
    """
    samples: list[Sample] = []
    for match in re.finditer(r"\S+", text):
        samples += _expand(match[0], match.start() + 1, MAX_SAMPLES - len(samples))
    if not samples:
        raise SeriesError("must hold at least one sample")
    return tuple(samples)


def see(text: str, every_s: float, at_s: float, lookback_s: float = 0.0) -> Seen | None:
    """Give what a series with a sample `every_s` shows at `at_s`; None where it shows nothing.

    Between two samples the earlier one stands. Where a sample is left out, and after the end, the last one before is
    still seen until it is `lookback_s` old, as in Prometheus.
    """
    standing = _standing(text)
    index = int(at_s / every_s + 1e-9)
    place = standing[min(index, len(standing) - 1)]
    if place is None:
        return None
    age_s = at_s - place * every_s
    if place < index and age_s >= lookback_s:
        return None
    return Seen(float(parse_series(text)[place]), max(age_s, 0.0))


@lru_cache(maxsize=256)
def _standing(text: str) -> tuple[int | None, ...]:
    """For each place of a series, that of the number which stands there: its own, or the last one before a gap."""
    standing: list[int | None] = []
    last: int | None = None
    for place, sample in enumerate(parse_series(text)):
        if sample == "stale":
            last = None
        elif sample != "none":
            last = place
        standing.append(last)
    return tuple(standing)


def _expand(item: str, column: int, room: int) -> list[Sample]:
    if item == "stale":
        return ["stale"]
    gap, number = _GAP.fullmatch(item), _ITEM.fullmatch(item)
    if gap is None and number is None:
        raise SeriesError(
            f"must be samples such as 0+10x20, 5x3, 1 2 _ 4 or stale, found {shorten(item)} at character {column}"
        )
    matched = gap or number
    assert matched is not None  # noqa: S101  # one of the two matched
    count = int(matched.groups()[-1] or 0)
    if count >= room:
        raise SeriesError(f"holds more than {MAX_SAMPLES} samples")
    if number is None:
        return ["none"] * max(count, 1)
    start, step = float(number[1]), float(number[2] or 0)
    return [start + step * turn for turn in range(count + 1)]


def _to_text(value: object) -> object:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _check(value: str) -> str:
    parse_series(value)
    return value


Series = Annotated[
    str,
    BeforeValidator(_to_text),
    AfterValidator(_check),
    Field(max_length=16_384),
    WithJsonSchema({"type": ["string", "number"]}),
]
"""The text of a series; a plain number is a series of one."""
