"""Anything with a `scale` subresource as a target: its count is read and written there, its readiness is followed by watches.

The API server keeps the count; this holds no opinion of it. Each write carries the version that was decided on, so that it
fails rather than undo what somebody else has done since. How many replicas are ready a Deployment, a StatefulSet and a
ReplicaSet tell themselves; of every other kind the ready pods are counted, and likewise where their addresses are needed.

The count of a kind that we know is taken from the watch while that is heard of: rounds then cost the server nothing, however
many rules there are. It counts from where it has caught up with what we have written or read ourselves; should others be
ahead of it, that costs one refused write, after which the server itself is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from autoscaler.errors import KubernetesError, Missing, TargetError
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.cluster import Cluster
from autoscaler.kubernetes.fencing import mark_term
from autoscaler.kubernetes.pods import (
    UNMARKED,
    Pod,
    Port,
    Workload,
    endpoints_of,
    is_at_least,
    manager_of_replicas,
    read_pod,
    read_workload,
)
from autoscaler.kubernetes.reflector import Reflector, Scope
from autoscaler.kubernetes.resources import KNOWN, PODS, Reference, Resource
from autoscaler.targets.base import OURS, TargetState

SILENCE_S = 75.0
"""A watch of which nothing was heard for longer is not relied on: servers send bookmarks about once a minute."""
LOST_S = 2 * SILENCE_S
"""A copy of which nothing was heard for longer, by a new list either, tells nothing about now: what is ready is not known."""
STALE_S = 5.0
"""What the server tells and a watch has not for so long: its connection is dead, or stuck."""


@dataclass(frozen=True, slots=True)
class PodsWanted:
    """That a rule reads its replicas' own pages, and at which port; None is the port that looks like it."""

    port: Port | None = None


@dataclass(frozen=True, slots=True)
class _Scale:
    """The `scale` subresource at one moment."""

    replicas: int
    version: str
    selector: str
    set_by: str
    term: int = UNMARKED


class KubernetesTarget:
    """One object which is scaled. It is followed from the first time that it could be read, until `stop`.

    `check` raises when nothing may be written (any more); it is called right before each sending of a write.
    """

    def __init__(
        self,
        cluster: Cluster,
        reference: Reference,
        *,
        pods_wanted: PodsWanted | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._cluster = cluster
        self.reference = reference
        self._wanted = pods_wanted
        self._check = check
        self._counts_itself = (reference.api_version, reference.kind) in KNOWN
        self._scale: _Scale | None = None
        self._obstacle = ""
        self._object: Reflector[Workload] | None = None
        self._pods: Reflector[Pod] | None = None
        self._marked: Workload | None = None
        self._at_least = ""
        self._must_ask = False
        self._behind: tuple[str, float] | None = None
        self._changed = asyncio.Event()

    @property
    def name(self) -> str:
        """As people write it."""
        return str(self.reference)

    def want_pods(self, wanted: PodsWanted | None) -> None:
        """Go by another wish for the addresses of pods, from the next reading on."""
        self._wanted = wanted

    @property
    def cluster(self) -> Cluster:
        """Where it is."""
        return self._cluster

    @property
    def selector(self) -> str:
        """Which pods are its; empty until it was read."""
        return "" if self._scale is None else self._scale.selector

    @property
    def check(self) -> Callable[[], None] | None:
        """Raises when nothing may be written (any more)."""
        return self._check

    @property
    def uid(self) -> str:
        """The object's uid; empty until it was seen."""
        workload = self._workload()
        return "" if workload is None else workload.uid

    async def stop(self) -> None:
        """Stop following the object, which stays as it is."""
        copies, workload, pods = self._cluster.copies, self._object, self._pods
        self._object = self._pods = None
        if workload is not None:
            await copies.leave(workload.scope, self._announce, self.reference.name)
        if pods is not None:
            await copies.leave(pods.scope, self._announce)

    async def current(self) -> TargetState:
        """Return the count, from the API server or a copy that is up to date, and what is ready from what was followed.

        Raises:
            KubernetesError: the count cannot be read, or it cannot be told what is ready.
            TargetError: the object names no pods that could be counted.
        """
        resource = await self._cluster.resources.find(self.reference)
        reflector = self._follow_object(resource)
        await reflector.first()
        scale = self._copied(reflector) or await self._asked(resource)
        self._see_that_it_moves(reflector)
        await self._follow_pods(scale)
        self._see_that_they_are_heard()
        self._scale = scale
        rival = await self._cluster.rivals.rival_of(self.reference)
        self._obstacle = (
            f"HorizontalPodAutoscaler {rival} scales {self.reference} too: delete it, or run this rule with dryRun"
            if rival
            else ""
        )
        ready = self._ready()
        if ready is None:
            since = "yet"
            if reflector.silent_s > LOST_S:
                since = f"(no list or watch was answered for {reflector.silent_s:.0f} s)"
            raise TargetError(f"{self.name}: it cannot be told {since} how many of its pods are ready")
        self._announce()
        return self._state(scale, scale.replicas, ready)

    async def scale(self, replicas: int, decided_on: TargetState) -> None:
        """Write a count, if the object is still as it was decided on.

        Raises:
            Conflict: it is not; nothing was written.
            TargetError: `decided_on` was never read from the object.
            NotLeading: `check` said so; nothing was written.
            KubernetesError: it was refused, or there is no answer: then it may have been written all the same.
        """
        resource = await self._cluster.resources.find(self.reference)
        if not decided_on.version:
            raise TargetError(f"{self.name}: no version to decide on was read")
        namespace, name = self.reference.namespace, self.reference.name
        body: Json = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"namespace": namespace, "name": name, "resourceVersion": decided_on.version},
            "spec": {"replicas": replicas},
        }
        # Until there is an answer nobody knows what the server has made of it.
        self._must_ask = True
        written = await self._cluster.client.request(
            "PUT",
            resource.scale(namespace, name),
            query=[("fieldManager", OURS)],
            body=body,
            before_sending=self._check,
        )
        self._at_least, self._must_ask = _read_scale(written).version, False

    async def fence(self, term: int) -> None:
        """Mark the object with the term of a leader that has just taken over.

        That is one request where the copy is up to date, and none where the mark is seen to stand.

        Raises:
            LaterTerm: a leader of a later term has been there.
            KubernetesError: it cannot be written.
        """
        resource = await self._cluster.resources.find(self.reference)
        reflector = self._follow_object(resource)
        await reflector.first()
        seen = self._up_to_date(reflector)
        if seen is not None and seen.term == term:
            return
        async with self._cluster.marking:
            seen = self._up_to_date(reflector)
            client = self._cluster.client
            self._marked = await mark_term(client, resource, self.reference, term, self._check, seen)
        if is_at_least(self._marked.version, self._at_least):
            self._at_least = self._marked.version

    async def watch(self) -> AsyncIterator[TargetState]:
        """Yield the state at each change of it, from the first reading on."""
        seen = None
        while True:
            changed, state = self._changed, self._followed()
            if state is not None and state != seen:
                seen = state
                yield state
            else:
                await changed.wait()

    def _followed(self) -> TargetState | None:
        """The state as the watches tell it; None before all of it is known."""
        scale, workload, ready = self._scale, self._workload(), self._ready()
        if scale is None or ready is None:
            return None
        wanted = workload.replicas if workload is not None and self._counts_itself else None
        return self._state(scale, scale.replicas if wanted is None else wanted, ready)

    def _state(self, scale: _Scale, replicas: int, ready: int) -> TargetState:
        workload = self._workload()
        set_by = scale.set_by or ("" if workload is None else workload.set_by)
        pods = () if self._pods is None or self._wanted is None else self._pods.objects.values()
        endpoints = () if self._wanted is None else endpoints_of(pods, self._wanted.port)
        term = max(scale.term, UNMARKED if workload is None else workload.term)
        return TargetState(replicas, ready, endpoints, scale.version, set_by, self._obstacle, term)

    def _ready(self) -> int | None:
        """How many replicas are ready; None while nobody has told."""
        if self._pods is not None and self._pods.synced and self._pods.silent_s <= LOST_S:
            return sum(pod.ready for pod in self._pods.objects.values())
        workload = self._workload()
        if workload is None or self._object is None or self._object.silent_s > LOST_S:
            return None
        # A Deployment leaves the field out when it is 0; of other kinds we do not know what it means that it is not there.
        return workload.ready or 0 if self._counts_itself else workload.ready

    def _copied(self, reflector: Reflector[Workload]) -> _Scale | None:
        """The scale as the copy has it, if that can be relied on."""
        workload = self._up_to_date(reflector)
        if not self._counts_itself or workload is None or workload.replicas is None:
            return None
        return _Scale(workload.replicas, workload.version, workload.selector, workload.set_by, workload.term)

    def _up_to_date(self, reflector: Reflector[Workload]) -> Workload | None:
        """The object as the copy has it, or as we have marked it since, if that can be relied on."""
        workload = self._workload()
        if workload is None or self._must_ask or not reflector.is_live(SILENCE_S):
            return None
        if self._marked is not None and is_at_least(self._marked.version, workload.version):
            workload = self._marked
        return workload if is_at_least(workload.version, self._at_least) else None

    async def _asked(self, resource: Resource) -> _Scale:
        """The scale as the server has it."""
        path = resource.scale(self.reference.namespace, self.reference.name)
        try:
            scale = _read_scale(await self._cluster.client.get(path))
        except Missing:
            self._cluster.resources.forget(self.reference)
            raise
        self._at_least, self._must_ask = scale.version, False
        return scale

    def _see_that_it_moves(self, reflector: Reflector[Workload]) -> None:
        """Have the copy made anew if it does not come to where the server is known to be."""
        workload, now_s = self._workload(), self._cluster.clock.monotonic_s()
        version = "" if workload is None else workload.version
        if is_at_least(version, self._at_least):
            self._behind = None
        elif self._behind is None or self._behind[0] != version:
            self._behind = (version, now_s)
        elif now_s - self._behind[1] >= STALE_S:
            self._behind = None
            reflector.restart()

    def _see_that_they_are_heard(self) -> None:
        """Have each copy made anew of which nothing is heard: the connection of its watch is dead, or it is refused one."""
        for copy in (self._object, self._pods):
            if copy is not None and copy.synced and copy.silent_s > SILENCE_S:
                copy.restart()

    def _follow_object(self, resource: Resource) -> Reflector[Workload]:
        """See that the object is followed, with all of its kind in its namespace: one watch for all rules there."""
        if self._object is None:
            namespace = self.reference.namespace
            scope = Scope(f"{resource.plural} of {namespace}", resource.collection(namespace))
            copies, name = self._cluster.copies, self.reference.name
            self._object = copies.follow(scope, read_workload, self._announce, name)
        return self._object

    async def _follow_pods(self, scale: _Scale) -> None:
        """See that the pods are followed where they are needed, and wait until they have been listed once."""
        if self._counts_itself and self._wanted is None:
            return
        if not scale.selector:
            if self._ready() is None:
                raise TargetError(
                    f"{self.name}: its scale subresource gives no selector, so its ready pods cannot be counted"
                )
            return
        if self._pods is None or self._pods.scope.label_selector != scale.selector:
            before, path = self._pods, PODS.collection(self.reference.namespace)
            scope = Scope(f"pods of {self.name}", path, scale.selector)
            self._pods = self._cluster.copies.follow(scope, read_pod, self._announce)
            if before is not None:
                await self._cluster.copies.leave(before.scope, self._announce)
        try:
            await self._pods.first()
        except KubernetesError:
            # Without its pods a Deployment still tells how many are ready; only their own pages cannot be read then.
            if not self._counts_itself:
                raise

    def _workload(self) -> Workload | None:
        return None if self._object is None else self._object.objects.get(self.reference.name)

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _read_scale(answer: Json) -> _Scale:
    metadata, spec, status = answer["metadata"], answer.get("spec") or {}, answer.get("status") or {}
    return _Scale(
        # Left out by the server when it is 0.
        replicas=int(spec.get("replicas", 0)),
        version=metadata["resourceVersion"],
        selector=status.get("selector", ""),
        set_by=manager_of_replicas(metadata),
    )
