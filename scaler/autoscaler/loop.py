"""The control loop of one rule: when its rounds are made, by which form of it, and what happens between them.

What a round is, is `rounds`'. Whatever fails is recorded, and the next round comes as if nothing had been. Between rounds the
loop follows the target's readiness, and has the admission target rewritten at each change of it. A changed rule takes effect
with the next round, which then comes at once; the memory stays.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace

from autoscaler.acting import Actor
from autoscaler.admission import bound_onsale
from autoscaler.admitting import AdmissionWriter, Admitter
from autoscaler.clock import Clock
from autoscaler.instrumentation.events import Instrument, RoundEnded
from autoscaler.journal import Journal
from autoscaler.keeping.rulememory import RuleMemory
from autoscaler.leadership.fencing import Fences
from autoscaler.leadership.standing import Leadership
from autoscaler.rounds import Decide, Rounds
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.status import RuleStatus
from autoscaler.targets.base import Target
from rulebook.decision import decide
from rulebook.memory import Memory
from rulebook.override import Override, overridden
from rulebook.rule import ScalingRule

FOLLOW_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class LoopParts:
    """What a loop works with."""

    rule: ScalingRule
    target: Target
    signals: SignalReader
    writer: AdmissionWriter
    instrument: Instrument
    clock: Clock
    settings: ScalerSettings
    leadership: Leadership
    memory: RuleMemory
    decide: Decide = decide


class RuleLoop:
    """Runs one rule and keeps its memory. `run` and `follow` run side by side, until `stop` or until they are cancelled."""

    def __init__(self, parts: LoopParts) -> None:
        self._rule = self._documented = parts.rule
        self._overridden_by: Override | None = None
        self._leadership = parts.leadership
        self._signals = parts.signals
        self._target = parts.target
        self._clock = parts.clock
        self._memory = parts.memory
        self._journal = Journal(parts.rule, parts.target.name, instrument=parts.instrument, clock=parts.clock)
        self._memory.on_failure = lambda error: self._journal.fail("keep memory", error)
        self._admitter = Admitter(
            bound_onsale(parts.rule),
            writer=parts.writer,
            journal=self._journal,
            leadership=parts.leadership,
            clock=parts.clock,
            settings=parts.settings,
        )
        actor = Actor(parts.target, parts.memory.replicas)
        self._rounds = Rounds(
            actor=actor,
            fences=Fences(parts.leadership, actor, parts.writer),
            admitter=self._admitter,
            journal=self._journal,
            memory=parts.memory,
            leadership=parts.leadership,
            clock=parts.clock,
            decide=parts.decide,
        )
        self._changed: tuple[ScalingRule, SignalReader] | None = None
        self._stopping = False
        self._woken = asyncio.Event()

    @property
    def status(self) -> RuleStatus:
        """What is known now."""
        return replace(self._journal.status, memory=self._memory.state, override=self._memory.override)

    @property
    def memory(self) -> Memory:
        """What the next decision will be based on."""
        return self._memory.value

    def change(self, rule: ScalingRule, signals: SignalReader) -> None:
        """Go by another form of the rule on the same target. The next round is the first of it, and comes at once."""
        self._changed = (rule, signals)
        self._admitter.keep_to(bound_onsale(rule))
        self._woken.set()

    async def admit_to(self, onsale: str | None) -> None:
        """Write admission targets for this onsale alone from now on; returns once none for another is under way."""
        self._admitter.keep_to(onsale)
        await self._admitter.at_rest()

    @property
    def signals(self) -> SignalReader:
        """What the next round reads by."""
        return self._signals if self._changed is None else self._changed[1]

    @property
    def target(self) -> Target:
        """What is scaled."""
        return self._target

    async def override(self, override: Override | None) -> None:
        """Go by an operator's word over the document, or by the document again, from the next round on, which comes at once.

        Raises:
            NotLeading: that is for the scaler which leads.
        """
        self._leadership.check()
        await self._memory.set_override(override)
        self._woken.set()

    def stop(self) -> None:
        """Have `run` return: now, or when the present round is done, so that nothing is left half written."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Evaluate the rule each interval, on a grid that does not drift; a round that takes too long skips points of it."""
        start_s, turn = self._clock.monotonic_s(), 0
        while not self._stopping:
            await self.evaluate()
            interval_s = self._rule.spec.interval_s
            elapsed_s = self._clock.monotonic_s() - start_s
            turn = max(turn + 1, math.ceil(elapsed_s / interval_s))
            if await self._sleep(turn * interval_s - elapsed_s):
                start_s, turn = self._clock.monotonic_s(), 0

    async def follow(self) -> None:
        """Rewrite the admission target whenever the target's readiness changes."""
        while True:
            try:
                async for state in self._target.watch():
                    self._journal.note(state=state)
                    if not self._admitter.has_announced(state.ready):
                        await self._admitter.rewrite()
            except Exception as error:  # a watch that broke is begun again
                self._journal.fail("watch target", error)
            await self._clock.sleep(FOLLOW_RETRY_S)

    async def evaluate(self) -> None:
        """Do one round. Nothing is raised."""
        self._take_change()
        started_s = self._clock.monotonic_s()
        ok = await self._rounds.make(self._rule, self._signals)
        now_s, ended_s = self._clock.now_s(), self._clock.monotonic_s()
        journal = self._journal
        journal.note(
            rounds=journal.status.rounds + 1,
            last_round_at_s=now_s,
            last_round_monotonic_s=ended_s,
            last_success_at_s=now_s if ok else journal.status.last_success_at_s,
        )
        journal.tell(RoundEnded(self._rule.name, ok, now_s, ended_s - started_s))

    async def _sleep(self, seconds: float) -> bool:
        """Sleep until it is time, or until there is news; returns whether there is."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()
        return self._woken.is_set()

    def _take_change(self) -> None:
        self._woken.clear()
        if self._changed is None and self._memory.override == self._overridden_by:
            return
        if self._changed is not None:
            (self._documented, self._signals), self._changed = self._changed, None
        self._overridden_by = self._memory.override
        self._rule = overridden(self._documented, self._overridden_by)
        self._journal.take(self._rule)
