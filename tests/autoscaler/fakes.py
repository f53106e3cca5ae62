"""Stand-ins which keep the loop's protocols, and a few helpers. Time stands still in them until a test moves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from autoscaler.admission import AdmissionTarget, Written
from autoscaler.clock import Clock
from autoscaler.errors import NotLeading
from autoscaler.forecaster import Forecaster
from autoscaler.instrumentation.events import Event
from autoscaler.keeping.keeper import Found, MemoryKey
from autoscaler.keeping.rulememory import RuleMemory
from autoscaler.leadership.standing import Leadership
from autoscaler.loop import LoopParts, RuleLoop
from autoscaler.rounds import Decide
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.sources.base import Answer, Source
from autoscaler.targets.base import Target, TargetState
from rulebook.decision import decide
from rulebook.observation import Missing, Reading, Value
from rulebook.pool import ProcessPool
from rulebook.rule import ScalingRule
from rulebook.signals import PrometheusQuery

T = TypeVar("T", bound=Event)
QueryT = TypeVar("QueryT")
START_S = 1_800_000_000.0


class ManualClock:
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self._corrected_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return START_S + self._elapsed_s + self._corrected_s

    def monotonic_s(self) -> float:
        return self._elapsed_s

    @property
    def sleeping_until_s(self) -> list[float]:
        return sorted(wake_s for wake_s, sleeper in self._sleepers if not sleeper.done())

    async def sleep(self, seconds: float) -> None:
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed_s + seconds, sleeper))
        await sleeper

    def correct(self, seconds: float) -> None:
        """Set the system clock forwards or backwards; monotonic time goes on as it was."""
        self._corrected_s += seconds

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds
        for wake_s, sleeper in self._sleepers:
            if wake_s <= self._elapsed_s + 1e-9 and not sleeper.done():
                sleeper.set_result(None)


class Recorder:
    """An instrument that keeps all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


class Elected(Leadership):
    """A leadership that the test gives and takes; `outbid` takes a lease for granted, unless it is `lost`."""

    lost = False

    def __init__(self, clock: ManualClock, term: int) -> None:
        async def outbid(above: int) -> None:
            if self.lost:
                raise NotLeading(f"not leading: a leader of term {above} has taken over")
            self.hold(above + 1, float("inf"))

        super().__init__(clock, "one", outbid)
        self.hold(term, float("inf"))


class FakeTarget:
    """A target whose replicas are ready at once, unless the test says otherwise."""

    name = "ProcessPool shop"

    def __init__(self, replicas: int = 2) -> None:
        self.state = TargetState(replicas, replicas, ())
        self.scaled: list[int] = []
        self.fenced: list[int] = []
        self.error: Exception | None = None
        self.error_on_scale: Exception | None = None
        self._changes: asyncio.Queue[TargetState | Exception] = asyncio.Queue()

    def become(self, *, ready: int) -> None:
        self.state = TargetState(self.state.replicas, ready, ())
        self._changes.put_nowait(self.state)

    def break_watch(self) -> None:
        self._changes.put_nowait(RuntimeError("the watch broke"))

    async def current(self) -> TargetState:
        if self.error is not None:
            raise self.error
        return self.state

    async def scale(self, replicas: int, decided_on: TargetState | None = None) -> None:
        error = self.error or self.error_on_scale
        if error is not None:
            raise error
        self.scaled.append(replicas)
        self.state = TargetState(replicas, replicas, ())

    async def fence(self, term: int) -> None:
        if self.error is not None:
            raise self.error
        self.fenced.append(term)

    async def watch(self) -> AsyncIterator[TargetState]:
        yield self.state
        while True:
            change = await self._changes.get()
            if isinstance(change, Exception):
                raise change
            yield change


class FakeSource(Generic[QueryT]):
    """Gives each query the same reading, and remembers what was asked."""

    def __init__(self, reading: Reading | Exception) -> None:
        self.reading = reading
        self.asked: list[list[QueryT]] = []

    async def read(
        self, queries: Sequence[QueryT], replicas: Sequence[str], deadline_s: float
    ) -> Sequence[Answer]:
        self.asked.append(list(queries))
        if isinstance(self.reading, Exception):
            raise self.reading
        return [Answer(self.reading) for _ in queries]


class FakeKeeper:
    """Keeps memories in itself; `error` takes it out of reach, `age_s` makes all that it keeps older."""

    where = "the drawer"
    gather_s = 0.0

    def __init__(self) -> None:
        self.texts: dict[MemoryKey, str] = {}
        self.term = 0
        self.age_s: float | None = None
        self.error: Exception | None = None
        self.saves = 0

    async def load(self, key: MemoryKey) -> Found | None:
        if self.error is not None:
            raise self.error
        text = self.texts.get(key)
        return None if text is None else Found(text, self.age_s)

    async def save(self, texts: Mapping[MemoryKey, str], term: int) -> Mapping[MemoryKey, int]:
        self.saves += 1
        if self.error is not None:
            raise self.error
        if term < self.term:
            return dict.fromkeys(texts, self.term)
        self.term = term
        self.texts.update(texts)
        return {}


class FakeWriter:
    """Takes every admission target."""

    def __init__(self) -> None:
        self.targets: list[AdmissionTarget] = []
        self.fenced: list[tuple[str, str, int]] = []
        self.error: Exception | None = None
        self.accepts = True

    async def write(self, target: AdmissionTarget) -> Written:
        if self.error is not None:
            raise self.error
        self.targets.append(target)
        return Written(self.accepts, 0.0, 0.0, target.validity_s, target.term)

    async def fence(self, onsale: str, rule: str, term: int) -> None:
        if self.error is not None:
            raise self.error
        self.fenced.append((onsale, rule, term))


def make_rule(**spec: Any) -> ScalingRule:
    """A rule that scales pool `shop` by a gauge `busy`, 10 a replica; keywords replace fields of its spec."""
    fields: dict[str, Any] = {
        "target": {"apiVersion": "tidegate.dev/v1", "kind": "ProcessPool", "name": "shop"},
        "replicas": {"min": 1, "max": 10},
        "interval": 15.0,
        "signals": [{"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 10.0}],
        **spec,
    }
    return ScalingRule.model_validate({"metadata": {"name": "web"}, "spec": fields})


def make_pool(first: int, last: int, command: Sequence[str], **spec: Any) -> ProcessPool:
    fields = {"command": tuple(command), "ports": {"from": first, "to": last}, **spec}
    return ProcessPool.model_validate({"metadata": {"name": "shop"}, "spec": fields})


def make_loop(
    rule: ScalingRule,
    *,
    target: Target,
    clock: Clock,
    recorder: Recorder,
    writer: FakeWriter | None = None,
    exposition: FakeSource[Any] | None = None,
    room: FakeSource[Any] | None = None,
    prometheus: Source[PrometheusQuery] | None = None,
    forecaster: Forecaster | None = None,
    decide_by: Decide = decide,
    leadership: Leadership | None = None,
    memory: RuleMemory | None = None,
) -> RuleLoop:
    signals = SignalReader(
        rule,
        prometheus=prometheus,
        forecaster=forecaster,
        exposition=exposition or FakeSource(Value(20.0, clock.now_s())),
        room=room or FakeSource(Missing("no room")),
    )
    parts = LoopParts(
        rule=rule,
        target=target,
        signals=signals,
        writer=writer or FakeWriter(),
        instrument=recorder,
        clock=clock,
        settings=ScalerSettings(rules=(Path("rules"),)),
        leadership=leadership or Leadership.undisputed(clock),
        memory=memory or RuleMemory(rule, clock, holds=False),
        decide=decide_by,
    )
    return RuleLoop(parts)


async def until(condition: Callable[[], bool], deadline_s: float = 60.0) -> None:
    """Wait until a condition holds, by looking again and again; the deadline only ends a test that is lost."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        await asyncio.sleep(0.01)
