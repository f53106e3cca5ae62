"""What everything that can be scaled is to the loop: counts, a way to change them, and word of every change of readiness."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TargetState:
    """A target at one moment: replicas wanted, how many are ready, and the base URLs of those."""

    replicas: int
    ready: int
    endpoints: tuple[str, ...]


class Target(Protocol):
    """Something with a number of replicas."""

    @property
    def name(self) -> str:
        """As people write it: `ProcessPool shop`."""
        ...

    async def current(self) -> TargetState:
        """Return the state now.

        Raises:
            TargetError: it cannot be told.
        """
        ...

    async def scale(self, replicas: int) -> None:
        """Ask for that many replicas; returns when the wish is recorded, not when they are ready.

        Raises:
            TargetError: the wish was not recorded.
        """
        ...

    def watch(self) -> AsyncIterator[TargetState]:
        """Yield the state at once, and again at each change of it; changes in quick succession may come as one."""
        ...
