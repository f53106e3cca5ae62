"""Who was told "your turn" before whom, by the store time (`as_of`) of what buyers were told."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tidegate.demo.records import BuyerRecord


def order_violations(buyers: Iterable[BuyerRecord]) -> int:
    """Count buyers told "your turn" at t while a lower position was told to wait at t or later."""
    return len(called_too_early(buyers))


def called_too_early(buyers: Iterable[BuyerRecord]) -> list[tuple[BuyerRecord, BuyerRecord]]:
    """Return each buyer told "your turn" at t, with one of a lower position who was told to wait at t or later."""
    found = []
    last: BuyerRecord | None = None
    waiting_before = -math.inf
    for buyer in _in_line(buyers):
        told = buyer.first_released_as_of_s
        if last is not None and told is not None and waiting_before >= told:
            found.append((buyer, last))
        if buyer.last_waiting_as_of_s is not None and buyer.last_waiting_as_of_s > waiting_before:
            last, waiting_before = buyer, buyer.last_waiting_as_of_s
    return found


def turns_withdrawn(buyers: Iterable[BuyerRecord]) -> int:
    """Count buyers told to wait although the room had told them "your turn" by then."""
    return sum(
        1
        for buyer in buyers
        if buyer.last_waiting_as_of_s is not None
        and buyer.first_released_as_of_s is not None
        and buyer.last_waiting_as_of_s >= buyer.first_released_as_of_s
    )


def _in_line(buyers: Iterable[BuyerRecord]) -> list[BuyerRecord]:
    """Order buyers by (epoch, position), older epochs first; those who never learnt a position stand nowhere."""
    return sorted((buyer for buyer in buyers if buyer.positions), key=lambda buyer: buyer.positions[0])
