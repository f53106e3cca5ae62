"""Carries the memories of all rules to their keeper: many at a time, in the background, so that no round waits for it.

A memory that could not be written stays marked, and is written in its newest form when the keeper is back. It knows texts and
terms, not what is in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from autoscaler.clock import Clock
from autoscaler.ending import end_tasks
from autoscaler.errors import AutoscalerError, NotLeading, brief
from autoscaler.keeping.keeper import Found, Keeper, MemoryKey
from autoscaler.keeping.rulememory import RuleMemory

TIMEOUT_S = 3.0
"""How long one call of the keeper may take."""
RETRY_S = 1.0
RETRY_LIMIT_S = 15.0
LAST_WORDS_S = 3.0
"""How long closing waits for what is still to be written."""


class Keeping:
    """The way to one keeper. Memories are marked while `running`; a dry run reads, and writes nothing.

    `check` raises when nothing may be written (any more); `outbid` is told of a later term that was found.
    """

    def __init__(
        self,
        keeper: Keeper,
        *,
        clock: Clock,
        term: Callable[[], int],
        check: Callable[[], None] | None = None,
        outbid: Callable[[int], Awaitable[None]] | None = None,
        writes: bool = True,
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._term = term
        self._check = check
        self._outbid = outbid
        self._writes = writes
        self._marked: dict[MemoryKey, RuleMemory] = {}
        self._woken = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def where(self) -> str:
        """Where memories are kept."""
        return self._keeper.where

    async def load(self, key: MemoryKey) -> Found | None:
        """Return what was kept; None where nothing was.

        Raises:
            AutoscalerError: the keeper cannot be asked.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._keeper.load(key)
        except TimeoutError as error:
            raise AutoscalerError(f"{self.where}: no answer within {TIMEOUT_S:g} s") from error

    def mark(self, memory: RuleMemory) -> None:
        """Have a memory kept before long, in the form that it has then."""
        if self._writes:
            self._marked[memory.key] = memory
            self._woken.set()

    async def save_now(self, memory: RuleMemory, text: str) -> None:
        """Keep a text at once; a failure is told to the memory."""
        if self._writes:
            await self._save({memory.key: (memory, text)})

    async def flush(self) -> bool:
        """Keep all that is marked; returns whether that worked. What was not kept stays marked."""
        taken = {key: memory for key, memory in self._marked.items() if memory.recalled}
        for key in taken:
            del self._marked[key]
        if not taken:
            return True
        failed = await self._save({key: (memory, memory.text()) for key, memory in taken.items()})
        for key in failed:
            self._marked.setdefault(key, taken[key])
        return not failed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep what is marked, for the time of the context and a moment longer."""
        task = asyncio.create_task(self._run(), name="keep memories")
        try:
            yield
        finally:
            await end_tasks([task])
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await self.flush()

    async def _run(self) -> None:
        retry_s = RETRY_S
        while True:
            await self._woken.wait()
            await self._clock.sleep(self._keeper.gather_s)
            self._woken.clear()
            if await self.flush():
                retry_s = RETRY_S
            else:
                await self._clock.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_LIMIT_S)
                self._woken.set()

    async def _save(self, entries: Mapping[MemoryKey, tuple[RuleMemory, str]]) -> set[MemoryKey]:
        """Write, and tell each memory what came of it; returns those to be tried again."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._writing:
                if self._check is not None:
                    self._check()
                refused = await self._keeper.save(
                    {key: text for key, (_, text) in entries.items()}, self._term()
                )
        except TimeoutError:
            return _not_kept(entries, f"{self.where}: not written within {TIMEOUT_S:g} s")
        except NotLeading as error:  # the next round marks it again, if there is one
            _not_kept(entries, brief(error))
            return set()
        except AutoscalerError as error:
            return _not_kept(entries, brief(error))
        except Exception as error:  # a keeper's own mistake must not end the keeping
            return _not_kept(entries, f"{type(error).__name__}: {brief(error)}")
        for key, (memory, _) in entries.items():
            if key in refused:
                memory.not_kept(f"another scaler has written it in term {refused[key]}")
            else:
                memory.kept()
        return await self._after_refusals(refused)

    async def _after_refusals(self, refused: Mapping[MemoryKey, int]) -> set[MemoryKey]:
        """Outbid those who have written in a later term, if that is ours to do; returns what is to be tried again then."""
        if not refused or self._outbid is None:
            return set()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._outbid(max(refused.values()))
        except (AutoscalerError, TimeoutError):  # another leads, and the memories are its to keep
            return set()
        return set(refused)


def _not_kept(entries: Mapping[MemoryKey, tuple[RuleMemory, str]], error: str) -> set[MemoryKey]:
    for memory, _ in entries.values():
        memory.not_kept(error)
    return set(entries)
