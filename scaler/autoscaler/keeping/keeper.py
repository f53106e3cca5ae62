"""What every place where memories are kept is to the rest: texts by rule and target, each with the term of who wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rulebook.kept import TargetKey


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """Whose memory it is. The same rule on another target is another one."""

    rule: str
    target: TargetKey


@dataclass(frozen=True, slots=True)
class Found:
    """A text that was kept; `age_s` by the keeper's own clock, None where it has none."""

    text: str
    age_s: float | None


class Keeper(Protocol):
    """A place where memories are kept."""

    @property
    def where(self) -> str:
        """As people say it: `the store`."""
        ...

    @property
    def gather_s(self) -> float:
        """How long to wait for more before writing: what a write costs here decides."""
        ...

    async def load(self, key: MemoryKey) -> Found | None:
        """Return what was kept; None where nothing was.

        Raises:
            AutoscalerError: the keeper cannot be asked.
        """
        ...

    async def save(self, texts: Mapping[MemoryKey, str], term: int) -> Mapping[MemoryKey, int]:
        """Keep texts in place of older ones. Returns which were refused, and the higher term that has written them.

        Raises:
            AutoscalerError: there is no answer; some or all may have been kept.
        """
        ...
