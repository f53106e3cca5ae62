"""Reads one target and writes to it, and notices what became of its count in between, whoever changed it.

It keeps three facts: the count last seen or written, a write of which nobody knows whether it was carried out, and so whether
a change was ours. What follows from a change of others is for the loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.errors import Conflict
from autoscaler.targets.base import OURS, Target, TargetState


@dataclass(frozen=True, slots=True)
class Change:
    """A count that changed since it was last seen: by a write of ours that got no answer, or by somebody else."""

    before: int
    after: int
    ours: bool
    by: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A target's state, and how its count changed since the last look; None when it did not."""

    state: TargetState
    change: Change | None


class Actor:
    """The only one in this process who reads and writes one target's count.

    `recalled` is the count which a process before us asked for last. What was found at the start differs from it for many
    reasons: a write that was not carried out, or one that was and could not be kept any more. So it is taken for a change of
    others only where the target names them.
    """

    def __init__(self, target: Target, recalled: int | None = None) -> None:
        self._target = target
        self._recalled = recalled
        self._known: int | None = None
        self._unanswered: int | None = None

    async def read(self) -> Seen:
        """Read the target.

        Raises:
            AutoscalerError: it cannot be told.
        """
        state = await self._target.current()
        before, self._known = self._known, state.replicas
        unanswered, self._unanswered = self._unanswered, None
        if before is None and state.set_by not in ("", OURS):
            before = self._recalled
        if before is None or before == state.replicas:
            return Seen(state, None)
        ours = state.replicas == unanswered
        return Seen(state, Change(before, state.replicas, ours, "" if ours else state.set_by))

    async def fence(self, term: int) -> None:
        """Shut out what a leader of an earlier term may still have in hand.

        Raises:
            LaterTerm: a leader of a later term has been there.
            AutoscalerError: it cannot be written.
        """
        await self._target.fence(term)

    async def write(self, replicas: int, decided_on: TargetState) -> bool:
        """Write a count; False when the target has changed since it was decided on, and nothing was written.

        Raises:
            AutoscalerError: it was refused, or there is no answer.
        """
        self._unanswered = replicas
        try:
            await self._target.scale(replicas, decided_on)
        except Conflict:
            # It may be our own write that is in the way: a transport which lost its answer has sent it a second time.
            return False
        self._known, self._unanswered = replicas, None
        return True
