"""Shuts out what an earlier leader may still have in hand: once in each term, before anything is read to be decided on, and again
where it is doubtful whether the term is still the last.

In Kubernetes each target is marked with the term, which makes it another version: a write that was decided on before meets a
conflict. In the store the term is written where the writing of admission targets looks for it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from autoscaler.errors import LaterTerm, StoreUnavailable
from autoscaler.leadership.standing import Leadership
from rulebook.rule import ScalingRule


class FencedTarget(Protocol):
    """What a target does about a term; one that only this host can write does nothing."""

    async def fence(self, term: int) -> None:
        """Shut out earlier terms.

        Raises:
            LaterTerm: a later one has been here.
            AutoscalerError: that cannot be written.
        """
        ...


class FencedStore(Protocol):
    """What the store does about a term."""

    async def fence(self, onsale: str, rule: str, term: int) -> None:
        """Shut out earlier terms; raises like that of a target."""
        ...


class Fences:
    """The fences of one rule."""

    def __init__(self, leadership: Leadership, target: FencedTarget, store: FencedStore) -> None:
        self._leadership = leadership
        self._target = target
        self._store = store
        self._at_target: int | None = None
        self._at_store: tuple[int, str] | None = None

    def doubt(self) -> None:
        """Look again at the target's before the next write: it may be a later leader's by now."""
        self._at_target = None

    async def put_up(self, rule: ScalingRule, store_within_s: float) -> None:
        """See that they stand for the present term, where there are terms. A dry run needs none.

        A store that is away, or does not answer within `store_within_s`, keeps nobody from scaling: nor could anything be written
        to it. Its fence follows when it is back.

        Raises:
            NotLeading: another leads.
            AutoscalerError: the target's cannot be put up now; nothing must be written to it then.
        """
        if not self._leadership.elected or rule.spec.dry_run:
            return
        try:
            await self._put_up(rule, store_within_s)
        except LaterTerm as later:
            await self._leadership.outbid(later.term)
            await self._put_up(rule, store_within_s)

    async def _put_up(self, rule: ScalingRule, store_within_s: float) -> None:
        term = self._leadership.term
        if self._at_target != term:
            self._leadership.check()
            await self._target.fence(term)
            self._at_target = term
        if rule.spec.admission is None:
            return
        onsale = rule.spec.admission.onsale
        if self._at_store != (term, onsale):
            self._leadership.check()
            try:
                async with asyncio.timeout(store_within_s):
                    await self._store.fence(onsale, rule.name, term)
            except (StoreUnavailable, TimeoutError):
                return
            self._at_store = (term, onsale)
