"""What every source of signals is to the loop: it answers queries with readings, and never raises for lack of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rulebook.observation import Reading

QueryT_contra = TypeVar("QueryT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reading, and what is incomplete about it: `note` is for people, and empty when nothing is."""

    reading: Reading
    note: str = ""


class Source(Protocol[QueryT_contra]):
    """A place where signals are read, by queries of its own kind.

    All queries of an interval come at once, no two of them equal, so that a source can share what they have in common.
    """

    async def read(
        self, queries: Sequence[QueryT_contra], replicas: Sequence[str], deadline_s: float
    ) -> Sequence[Answer]:
        """Answer each query, in order, within the deadline; `replicas` are the base URLs of the target's ready ones."""
        ...
