"""Whether buyers waited for as long as they had been told, by the store time (`as_of`) of what they were told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.demo.records import BuyerRecord, ToldWait


@dataclass(frozen=True, slots=True)
class Waits:
    """Shares of ranges that held: the first one of each buyer, and all later ones. None where nobody was told any.

    `width` is the first ranges' mean width, relative to their middle.
    """

    first: float | None
    later: float | None
    width: float | None


def judge_waits(buyers: Sequence[BuyerRecord]) -> Waits:
    """Judge what was told to buyers whose turn came."""
    waited = [buyer for buyer in buyers if buyer.told and buyer.first_released_as_of_s is not None]
    first = [_held(buyer, buyer.told[0]) for buyer in waited]
    later = [_held(buyer, told) for buyer in waited for told in buyer.told[1:]]
    widths = [_width(buyer.told[0]) for buyer in waited if buyer.told[0].high_s > 0.0]
    return Waits(_mean(first), _mean(later), _mean(widths))


def _held(buyer: BuyerRecord, told: ToldWait) -> bool:
    """The turn came after the last "not your turn" and by the first "your turn"; a range that meets this stretch has held."""
    released = buyer.first_released_as_of_s
    assert released is not None  # noqa: S101 - only such buyers are judged
    waiting = buyer.last_waiting_as_of_s if buyer.last_waiting_as_of_s is not None else released
    return told.as_of_s + told.low_s <= released and told.as_of_s + told.high_s >= min(waiting, released)


def _width(told: ToldWait) -> float:
    return (told.high_s - told.low_s) / ((told.high_s + told.low_s) / 2.0)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
