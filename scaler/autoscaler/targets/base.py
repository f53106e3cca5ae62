"""What everything that can be scaled is to the loop: counts, a way to change them, and word of every change of readiness."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

OURS = "tidegate-scaler"
"""The name under which a target books what scalers write, this one or an earlier one."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """A target at one moment: replicas wanted, how many are ready, and the base URLs of those.

    `version` tells this state from any later one, where the target has such a thing; `set_by` is who set the count, as far as
    the target tells. `obstacle` says why nothing may be written to it now; empty when nothing speaks against it. `term` is that
    of the leader who fenced it last, as far as the target tells; below all terms where it does not.
    """

    replicas: int
    ready: int
    endpoints: tuple[str, ...]
    version: str = ""
    set_by: str = ""
    obstacle: str = ""
    term: int = -1


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
            KubernetesError: the cluster does not tell it.
        """
        ...

    async def scale(self, replicas: int, decided_on: TargetState) -> None:
        """Ask for that many replicas; returns when the wish is recorded, not when they are ready.

        Raises:
            Conflict: the target is no longer as it was in `decided_on`; read it and decide again.
            TargetError: the wish was not recorded.
            KubernetesError: the cluster refused it, or did not answer: then it may have been recorded all the same.
        """
        ...

    async def fence(self, term: int) -> None:
        """Shut out what a leader of an earlier term may still have in hand; nothing, where only this host can write.

        Raises:
            LaterTerm: a leader of a later term has been there.
            AutoscalerError: it cannot be written.
        """
        ...

    def watch(self) -> AsyncIterator[TargetState]:
        """Yield the state at once, and again at each change of it; changes in quick succession may come as one."""
        ...
