"""One rule's memory while it runs: recalled at the start, corrected with the clock, and handed on to be kept.

Where nothing can be recalled, or only what is older than a few rounds, the count that is found counts as recommended: nothing
falls before a whole window has passed. A keeper out of reach is asked again until it answers; what it has then is put before
what has been seen since. Nothing is written over what has not been read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from autoscaler.clock import Clock
from autoscaler.ending import end_tasks
from autoscaler.errors import AutoscalerError, brief
from autoscaler.keeping.keeper import Found, MemoryKey
from autoscaler.keeping.memorystate import NOT_KEPT, MemoryState
from rulebook.kept import Kept, KeptTextError, read_kept, write_kept
from rulebook.memory import Memory, TimedRecommendation
from rulebook.override import Override
from rulebook.rule import ScalingRule

STEP_S = 1.0
"""A difference between the clocks which is no drift but a correction."""
FRESH_ROUNDS = 3
"""What was kept within so many rounds of now leaves no gap: a restart or a takeover is as quick."""
FRESH_S = 30.0
"""At least so long is no gap, however short the interval is."""
ASK_AGAIN_S = 5.0


class Saver(Protocol):
    """Who carries memories to the keeper; `Keeping` is one."""

    @property
    def where(self) -> str:
        """Where memories are kept."""
        ...

    async def load(self, key: MemoryKey) -> Found | None:
        """Return what was kept, raising `AutoscalerError` where it cannot be told."""
        ...

    def mark(self, memory: RuleMemory) -> None:
        """Have a memory kept before long."""
        ...

    async def save_now(self, memory: RuleMemory, text: str) -> None:
        """Keep a text at once, or have the failure told to the memory."""
        ...


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A correction of the system clock that was noticed, in seconds."""

    by_s: float


class RuleMemory:
    """The memory of one rule. Without a saver it ends with the process; without `holds` it starts like the HPA's."""

    def __init__(
        self, rule: ScalingRule, clock: Clock, saver: Saver | None = None, *, holds: bool = True
    ) -> None:
        self.key = MemoryKey(rule.name, rule.spec.target.key)
        self.value = Memory()
        self.replicas: int | None = None
        """The count last asked for, as far as it is remembered."""
        self.override: Override | None = None
        """An operator's word over the document."""
        self._overriding = False
        self.on_failure: Callable[[str], None] = lambda error: None
        """Told whenever the newest could not be kept."""
        self._interval_s = rule.spec.interval_s
        self._clock = clock
        self._saver = saver
        self._recalled = saver is None
        self._asking: asyncio.Task[None] | None = None
        self._unseen_past = holds
        self._clocks: tuple[float, float] | None = None
        self._state = NOT_KEPT if saver is None else MemoryState(saver.where, "not recalled yet")

    @property
    def state(self) -> MemoryState:
        """What is known of its keeping."""
        return self._state

    @property
    def recalled(self) -> bool:
        """Whether the keeper has answered: before that, nothing is written there."""
        return self._recalled

    async def recall(self) -> None:
        """Ask the keeper for what was kept. Never raises: a keeper out of reach is asked again in the background."""
        if not await self._ask() and self._asking is None:
            self._asking = asyncio.create_task(self._ask_again(), name=f"recall {self.key.rule}")

    async def close(self) -> None:
        """Ask no longer."""
        if self._asking is not None:
            await end_tasks([self._asking])

    def begin_round(self, current: int) -> ClockStep | None:
        """Bring the memory up to date before a decision about so many replicas; returns a correction of the clock, if any."""
        step = self._follow_clock()
        if self._unseen_past:
            self._unseen_past = False
            now = TimedRecommendation(current, self._clock.now_s())
            self.value = replace(self.value, at_start=now)
        return step

    def keep(self, value: Memory, replicas: int) -> None:
        """Remember what a round left, and have it kept."""
        self.value, self.replicas = value, replicas
        if self._saver is not None:
            self._saver.mark(self)

    async def set_override(self, override: Override | None) -> None:
        """Go by an operator's word from now on, or take it back; it is kept at once, and `state` says if it could not be."""
        self.override, self._overriding = override, True
        if self._saver is not None:
            self._saver.mark(self)
            if self._recalled:
                await self._saver.save_now(self, self.text())

    async def keep_ahead(self, value: Memory, replicas: int) -> None:
        """Have kept what is about to be true: a scale-down must be known to a successor even if we die in the middle of it."""
        if self._saver is not None and self._recalled:
            await self._saver.save_now(self, self._text(value, replicas))

    def text(self) -> str:
        """Write it down as it is now."""
        return self._text(self.value, self.replicas)

    def kept(self) -> None:
        """Take note that the newest is kept."""
        self._state = replace(self._state, saved_at_s=self._clock.now_s(), error="")

    def not_kept(self, error: str) -> None:
        """Take note that it is not, and why."""
        self._state = replace(self._state, error=error)
        self.on_failure(error)

    def _text(self, value: Memory, replicas: int | None) -> str:
        return write_kept(Kept(self.key.target, replicas, self._clock.now_s(), value, self.override))

    def _follow_clock(self) -> ClockStep | None:
        """Notice a correction of the system clock, and move what is remembered along: it neither ages nor is in the future."""
        now_s, monotonic_s = self._clock.now_s(), self._clock.monotonic_s()
        before, self._clocks = self._clocks, (now_s, monotonic_s)
        if before is None:
            return None
        step_s = (now_s - before[0]) - (monotonic_s - before[1])
        if abs(step_s) < STEP_S:
            return None
        self.value = self.value.moved(step_s)
        return ClockStep(step_s)

    async def _ask_again(self) -> None:
        while True:
            await self._clock.sleep(ASK_AGAIN_S)
            if await self._ask():
                return

    async def _ask(self) -> bool:
        """Ask once; returns whether there was an answer, be it that there is nothing."""
        if self._saver is None:
            return True
        try:
            found = await self._saver.load(self.key)
        except AutoscalerError as error:
            self._state = replace(self._state, origin=f"cannot be recalled: {brief(error)}")
            return False
        self._recalled = True
        self._state = replace(self._state, origin=self._take(found))
        return True

    def _take(self, found: Found | None) -> str:
        """Put what was found before what is known since; says what came of it."""
        if found is None:
            return "nothing was kept"
        try:
            kept = read_kept(found.text)
        except KeptTextError as error:
            return f"what was kept cannot be used: {error}"
        if kept.target != self.key.target:
            return "what was kept is about another target"
        now_s = self._clock.now_s()
        if not self._overriding:  # an operator's newer word counts
            self.override = kept.override
        # Hosts' clocks differ, and are corrected; how long ago it was is what counts.
        age_s = max(now_s - kept.at_s if found.age_s is None else found.age_s, 0.0)
        earlier = kept.memory.moved(now_s - age_s - kept.at_s)
        if self._clocks is None:
            self.value = earlier
            self.replicas = kept.replicas
            self._unseen_past = age_s > max(FRESH_ROUNDS * self._interval_s, FRESH_S)
        else:
            self.value = self.value.after(earlier)
        return f"recalled, {age_s:.0f} s old"
