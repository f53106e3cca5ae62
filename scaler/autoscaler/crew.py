"""The loops of all rules, and how they follow the documents: what is new is begun, what has changed goes on, what is gone stops.

A rule that stops leaves its target as it is; what it has told the room is taken back (`withdrawing`). A rule that changes keeps
its memory, unless it scales another target now: that is another rule by the same name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace

from autoscaler.admission import bound_onsale
from autoscaler.admitting import AdmissionWriter
from autoscaler.clock import Clock
from autoscaler.ending import end_tasks
from autoscaler.errors import AutoscalerError, brief
from autoscaler.instrumentation.events import (
    Instrument,
    MemoryRecalled,
    RuleNotStarted,
    RuleRemoved,
    RulesLoaded,
    RuleStarted,
)
from autoscaler.keeping.rulememory import RuleMemory, Saver
from autoscaler.leadership.standing import Leadership
from autoscaler.loop import LoopParts, RuleLoop
from autoscaler.plan import Plan
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.targets.base import Target
from autoscaler.withdrawing import Withdrawer
from rulebook.rule import ScalingRule

LAST_ROUND_S = 12.0
"""What a loop that is to stop may take for the round it is in: a little more than any step's deadline."""

OpenTarget = Callable[[ScalingRule, Plan, int | None], Coroutine[None, None, Target]]


@dataclass(frozen=True, slots=True)
class Equipment:
    """What all loops of a scaler share, and how they get what is their own."""

    settings: ScalerSettings
    clock: Clock
    instrument: Instrument
    leadership: Leadership
    writer: AdmissionWriter
    withdrawer: Withdrawer
    open_target: OpenTarget
    release_target: Callable[[ScalingRule], Coroutine[None, None, None]]
    signals_of: Callable[[ScalingRule, SignalReader | None], SignalReader]
    """Given the reader of the rule's form before, if there was one."""
    keeping: Saver | None = None


@dataclass(frozen=True, slots=True)
class _Member:
    """A loop at work; `run` is None where rounds are made by hand."""

    rule: ScalingRule
    loop: RuleLoop
    memory: RuleMemory
    follow: asyncio.Task[None]
    run: asyncio.Task[None] | None


class Crew:
    """The loops of a scaler. Close it with `stop`, then `dismiss` once the targets are closed too; it may begin again then.

    A crew that is not at work only knows the plan: another scaler leads.
    """

    def __init__(self, equipment: Equipment, *, runs: bool = True) -> None:
        """Have nobody yet; with `runs` false, loops make no rounds by themselves."""
        self._equipment = equipment
        self._runs = runs
        self._members: dict[str, _Member] = {}
        self._plan = Plan()
        self._at_work = False
        # New documents and a change of leader may come at the same moment.
        self._moving = asyncio.Lock()
        self._loaded_at_s: float | None = None
        self._not_started: dict[str, str] = {}

    @property
    def plan(self) -> Plan:
        """What is in force."""
        return self._plan

    @property
    def loaded_at_s(self) -> float | None:
        """When the documents were read which are in force."""
        return self._loaded_at_s

    @property
    def loops(self) -> dict[str, RuleLoop]:
        """The loops by the names of their rules."""
        return {name: member.loop for name, member in self._members.items()}

    @property
    def not_started(self) -> dict[str, str]:
        """The rules in force whose targets could not be opened, and why."""
        return dict(self._not_started)

    async def begin(self, plan: Plan) -> None:
        """Put the first plan in force, and go to work.

        Raises:
            AutoscalerError: a target cannot be opened.
        """
        self._take(plan)
        self._at_work = True
        memories = await self._recall_all(plan.rules.values())
        for rule, memory in zip(plan.rules.values(), memories, strict=True):
            await self._start(rule, memory)

    def stand_by(self, plan: Plan) -> None:
        """Put the first plan in force, without going to work yet."""
        self._take(plan)

    async def take_over(self) -> None:
        """Go to work; a target that cannot be opened is recorded, and tried again with the next plan."""
        async with self._moving:
            self._at_work = True
            await self._change_to(self._plan)

    async def follow(self, plan: Plan) -> None:
        """Put another plan in force; a target that cannot be opened is recorded, and tried again with the next plan."""
        async with self._moving:
            # Before a loop has ended, which may take seconds: what is taken back must not be written again.
            await asyncio.gather(
                *(member.loop.admit_to(_onsale_in(plan, name)) for name, member in self._members.items())
            )
            self._take(plan)
            if self._at_work:
                await self._change_to(plan)

    async def evaluate(self) -> None:
        """Make one round of each rule."""
        await asyncio.gather(*(member.loop.evaluate() for member in self._members.values()))

    async def stop(self) -> None:
        """Have all loops end, each with the round that it is in; readiness is still followed."""
        async with self._moving:
            self._at_work = False
            await asyncio.gather(*(_end(member) for member in self._members.values()))

    async def dismiss(self) -> None:
        """Follow no longer."""
        await end_tasks([member.follow for member in self._members.values()])
        for member in self._members.values():
            await member.memory.close()
        self._members.clear()
        self._not_started.clear()

    async def _change_to(self, plan: Plan) -> None:
        gone = {name for name, member in self._members.items() if _is_gone(member.rule, plan)}
        await asyncio.gather(*(self._remove(name) for name in gone))
        self._not_started.clear()
        # All that are new are recalled at once: a store out of reach must not be waited for rule by rule.
        new = [rule for name, rule in plan.rules.items() if name not in self._members]
        memories = dict(zip([rule.name for rule in new], await self._recall_all(new), strict=True))
        for name, rule in plan.rules.items():
            try:
                if name in memories:
                    await self._start(rule, memories[name])
                elif self._members[name].rule != rule:
                    await self._change(rule, plan)
            except AutoscalerError as error:
                self._not_started[name] = brief(error)
                self._equipment.instrument.record(RuleNotStarted(name, brief(error)))

    def _take(self, plan: Plan) -> None:
        now_s = self._equipment.clock.now_s()
        self._plan, self._loaded_at_s = plan, now_s
        self._equipment.withdrawer.follow(plan)
        messages = tuple(refusal.message for refusal in plan.refusals)
        self._equipment.instrument.record(RulesLoaded(tuple(plan.rules), plan.outdated, messages, now_s))

    async def _change(self, rule: ScalingRule, plan: Plan) -> None:
        member = self._members[rule.name]
        await self._equipment.open_target(rule, plan, None)  # the same one, told of the rule's new form
        member.loop.change(rule, self._equipment.signals_of(rule, member.loop.signals))
        self._members[rule.name] = replace(member, rule=rule)

    async def _recall_all(self, rules: Iterable[ScalingRule]) -> list[RuleMemory]:
        return await asyncio.gather(*(self._recall(rule) for rule in rules))

    async def _recall(self, rule: ScalingRule) -> RuleMemory:
        equipment = self._equipment
        memory = RuleMemory(rule, equipment.clock, equipment.keeping)
        await memory.recall()
        state = memory.state
        equipment.instrument.record(MemoryRecalled(rule.name, state.where, state.origin, memory.replicas))
        return memory

    async def _start(self, rule: ScalingRule, memory: RuleMemory) -> None:
        equipment = self._equipment
        try:
            target = await equipment.open_target(rule, self._plan, memory.replicas)
        except AutoscalerError:
            await memory.close()
            raise
        loop = RuleLoop(
            LoopParts(
                rule=rule,
                target=target,
                signals=equipment.signals_of(rule, None),
                writer=equipment.writer,
                instrument=equipment.instrument,
                clock=equipment.clock,
                settings=equipment.settings,
                leadership=equipment.leadership,
                memory=memory,
            )
        )
        self._members[rule.name] = _Member(
            rule=rule,
            loop=loop,
            memory=memory,
            follow=asyncio.create_task(loop.follow(), name=f"follow {rule.name}"),
            run=asyncio.create_task(loop.run(), name=f"run {rule.name}") if self._runs else None,
        )
        equipment.instrument.record(RuleStarted(rule.name, equipment.clock.now_s()))

    async def _remove(self, name: str) -> None:
        member = self._members[name]
        await _end(member)
        await end_tasks([member.follow])
        await member.memory.close()
        await self._equipment.release_target(member.rule)
        self._equipment.instrument.record(RuleRemoved(name))
        del self._members[name]  # last: a rule that is no longer shown has left nothing behind


def _is_gone(rule: ScalingRule, plan: Plan) -> bool:
    successor = plan.rules.get(rule.name)
    return successor is None or successor.spec.target.key != rule.spec.target.key


def _onsale_in(plan: Plan, name: str) -> str | None:
    """Return the onsale whose admission the rule of this name bounds by a plan."""
    rule = plan.rules.get(name)
    return None if rule is None else bound_onsale(rule)


async def _end(member: _Member) -> None:
    if member.run is None:
        return
    member.loop.stop()
    await asyncio.wait({member.run}, timeout=LAST_ROUND_S)
    await end_tasks([member.run])
