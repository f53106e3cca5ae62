"""Says on the targets themselves what happens to them, as Events which `kubectl describe` shows.

`record` only takes note; a task of its own writes, slowly, and gives up what it cannot write: no loop ever waits for it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from autoscaler.errors import Conflict, KubernetesError, Missing, Throttled, Unreachable, brief
from autoscaler.instrumentation.events import Event, EventNotWritten, Instrument
from autoscaler.instrumentation.remarks import remarks_on
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import MERGE_PATCH
from autoscaler.kubernetes.cluster import Cluster
from autoscaler.kubernetes.correlation import Correlator, Occurrence, Remark
from autoscaler.kubernetes.limiter import Limiter
from autoscaler.kubernetes.resources import EVENTS, Reference
from rulebook.rule import ScalingRule

COMPONENT = "tidegate-scaler"
MESSAGE_LIMIT = 1024
"""The API server takes no longer message."""
PENDING_LIMIT = 1000
EVENTS_PER_S, EVENTS_BURST = 5.0, 10
"""A part of the client's own limit, so that scaling never waits behind Events."""
LAST_WORDS_S = 2.0
"""How long closing waits for what is still to be written."""
TRIES, RETRY_S = 12, 10.0
"""Of one Event. As client-go's recorder: two minutes without an API server lose none."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule whose target Events are written on; `uid` tells the object's uid, once it is known."""

    rule: ScalingRule
    reference: Reference
    uid: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Note:
    """What is still to be written, and the how manieth try that will be."""

    subject: Subject
    occurrence: Occurrence
    tries: int = 1


class KubernetesEvents:
    """An instrument which writes Events while it is open; `others` hear of those that could not be written."""

    def __init__(self, others: Instrument) -> None:
        self._others = others
        self._subjects: dict[str, Subject] = {}
        self._correlator = Correlator()
        self._pending: OrderedDict[tuple[str, ...], _Note] = OrderedDict()
        self._created: dict[tuple[str, ...], str] = {}
        self._woken = asyncio.Event()
        self._cluster: Cluster | None = None
        self._last_words = False

    def follow(self, subject: Subject) -> None:
        """Speak of this rule from now on, or of its new form. A dry run writes nothing, not even Events."""
        if subject.rule.spec.dry_run:
            self.leave(subject.rule.name)
        else:
            self._subjects[subject.rule.name] = subject

    def leave(self, rule: str) -> None:
        """Speak of this rule no longer."""
        self._subjects.pop(rule, None)

    def record(self, event: Event) -> None:
        """Take note of what is worth an Event."""
        subject = self._subjects.get(getattr(event, "rule", ""))
        if subject is None or self._cluster is None:
            return
        now_s = self._cluster.clock.now_s()
        for type_, reason, message in remarks_on(event, subject.rule):
            remark = Remark(_identity(subject.reference), type_, reason, message[:MESSAGE_LIMIT])
            occurrence = self._correlator.correlate(remark, now_s)
            if occurrence is not None:
                # What was not written yet is overtaken by the same with a higher count.
                self._pending[occurrence.key] = _Note(subject, occurrence)
                if len(self._pending) > PENDING_LIMIT:
                    self._pending.popitem(last=False)
                self._woken.set()

    @asynccontextmanager
    async def writing(self, cluster: Cluster) -> AsyncIterator[None]:
        """Write to a cluster until the context ends, and then for a moment more what is still to be said."""
        self._cluster, self._last_words = cluster, False
        limiter = Limiter(EVENTS_PER_S, EVENTS_BURST, cluster.clock)
        task = asyncio.create_task(self._write_all(cluster, limiter), name="Events")
        try:
            yield
        finally:
            self._last_words = True
            self._woken.set()
            await asyncio.wait({task}, timeout=LAST_WORDS_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._cluster = None

    async def _write_all(self, cluster: Cluster, limiter: Limiter) -> None:
        while not self._last_words:
            await self._woken.wait()
            self._woken.clear()
            while self._pending:
                key, note = self._pending.popitem(last=False)
                if not await self._write(cluster, limiter, note):
                    # Behind the others, so that one which cannot be written holds up nobody for long.
                    self._pending.setdefault(key, replace(note, tries=note.tries + 1))
                    await cluster.clock.sleep(RETRY_S)

    async def _write(self, cluster: Cluster, limiter: Limiter, note: _Note) -> bool:
        """Write an Event or give it up; False when it is to be tried again."""
        try:
            await limiter.wait()
            await self._send(cluster, note.subject, note.occurrence)
        except (Throttled, Unreachable) as error:
            if note.tries < TRIES and not self._last_words:
                return False
            self._give_up(note.occurrence, error)
        except (
            KubernetesError
        ) as error:  # no right, no such namespace, not taken: trying again would not help
            self._give_up(note.occurrence, error)
        return True

    def _give_up(self, occurrence: Occurrence, error: KubernetesError) -> None:
        self._others.record(EventNotWritten(occurrence.remark.reason, brief(error)))

    async def _send(self, cluster: Cluster, subject: Subject, occurrence: Occurrence) -> None:
        """Create the Event, or count up the one that is there."""
        path = EVENTS.collection(subject.reference.namespace)
        if self._created.get(occurrence.key) == occurrence.name:
            change: Json = {
                "count": occurrence.count,
                "lastTimestamp": _timestamp(occurrence.last_s),
                "message": occurrence.remark.message,
            }
            with suppress(Missing):  # they live for an hour on the server
                await cluster.client.request(
                    "PATCH", f"{path}/{occurrence.name}", body=change, content_type=MERGE_PATCH
                )
                return
        with suppress(Conflict):  # an earlier try got through, and its answer got lost
            await cluster.client.request("POST", path, body=_event(subject, occurrence))
        self._created[occurrence.key] = occurrence.name
        if len(self._created) > PENDING_LIMIT:
            del self._created[next(iter(self._created))]


def _identity(reference: Reference) -> str:
    return f"{reference.api_version}/{reference.kind}/{reference.namespace}/{reference.name}"


def _event(subject: Subject, occurrence: Occurrence) -> Json:
    reference, remark = subject.reference, occurrence.remark
    involved = {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "namespace": reference.namespace,
        "name": reference.name,
    }
    uid = subject.uid()
    if uid:
        involved["uid"] = uid
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": occurrence.name, "namespace": reference.namespace},
        "involvedObject": involved,
        "type": remark.type,
        "reason": remark.reason,
        "message": remark.message,
        "count": occurrence.count,
        "firstTimestamp": _timestamp(occurrence.first_s),
        "lastTimestamp": _timestamp(occurrence.last_s),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": socket.gethostname(),
    }


def _timestamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
