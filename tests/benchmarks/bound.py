"""P4 as arithmetic: how far a log of releases exceeds what a bucket may let through between any two of its moments.

Between two moments no more may be released than the highest bucket in force between them + what the rate brought + refunds.
Knows nothing of scripts or stores; the property test of the release script and the admission benchmark both count with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

Amount = float | Fraction


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment of a log; all amounts but the sizes count from the log's beginning.

    A window may begin just before this moment's own releases and refunds (`released_before`, `allowed_before`). Where a log
    only samples a counter, what was released since the mark before cannot be dated: both are then the same number.

    Attributes:
        released_before, released_after: releases up to, and including, this moment.
        allowed_before, allowed_after: the rate's integral up to this moment + refunds up to, and including, it.
        size: the highest bucket in force at this moment (where the rate changes at it: before and after).
        size_since: the highest bucket in force since the mark before, this moment included.
    """

    released_before: Amount
    released_after: Amount
    allowed_before: Amount
    allowed_after: Amount
    size: Amount
    size_since: Amount


def excess(marks: Iterable[Mark]) -> Amount:
    """Return the worst excess over all pairs of moments; 0 or less where the bound holds. O(n).

    For one bucket size this is a maximum drawdown. With changing sizes the beginnings of windows are kept in groups of equal
    highest size, largest first: a new size swallows the groups of smaller ones, and each group needs only its best beginning.
    """
    groups: list[_Group] = []
    worst: Amount | None = None
    for mark in marks:
        _raise_sizes(groups, mark.size_since)
        _push(groups, mark.size, mark.released_before - mark.allowed_before)
        over = mark.released_after - mark.allowed_after - groups[-1].least
        worst = over if worst is None or over > worst else worst
    return 0 if worst is None else worst


@dataclass(slots=True)
class _Group:
    """Beginnings whose windows have had the same highest size: the lowest beginning, and the least of lowest + size so far."""

    size: Amount
    lowest: Amount
    least: Amount


def _raise_sizes(groups: list[_Group], size: Amount) -> None:
    swallowed = []
    while groups and groups[-1].size <= size:
        swallowed.append(groups.pop().lowest)
    if swallowed:
        _push(groups, size, min(swallowed))


def _push(groups: list[_Group], size: Amount, lowest: Amount) -> None:
    least = lowest + size
    if groups:
        least = min(least, groups[-1].least)
    groups.append(_Group(size, lowest, least))
