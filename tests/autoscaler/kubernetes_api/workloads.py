"""Stand-ins for the controllers and the kubelet: pods follow replicas, become ready after a start-up time, and can be killed.

They speak to the server as the real ones do, so they serve a bare kube-apiserver as well as the little one. Simplified: a
Deployment owns its pods itself, without ReplicaSets between; pods have addresses of the loopback net (127.1.x.y), so that a test
can really listen there; a pod that is deleted is gone at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from autoscaler.clock import Clock, SystemClock
from tests.autoscaler.kubernetes_api.client import Client, Refused
from tests.autoscaler.kubernetes_api.objects import timestamp
from tests.autoscaler.kubernetes_api.selection import look
from tests.autoscaler.kubernetes_api.statuses import Json

RETRY_S = 0.05
_PODS = ("/api/v1", "pods")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of workloads: where its objects are listed."""

    api: str
    plural: str
    name: str

    def path(self, workload: Json) -> str:
        metadata = workload["metadata"]
        return f"{self.api}/namespaces/{metadata['namespace']}/{self.plural}/{metadata['name']}"


APPS = tuple(
    Kind("/apis/apps/v1", plural, name)
    for plural, name in (
        ("deployments", "Deployment"),
        ("statefulsets", "StatefulSet"),
        ("replicasets", "ReplicaSet"),
    )
)


class Workloads:
    """Runs what the workloads ask for, in one namespace or in all. `start_s` is how long a pod takes to become ready."""

    def __init__(
        self, client: Client, *, start_s: float = 0.0, clock: Clock | None = None, namespace: str = ""
    ) -> None:
        self.start_s = start_s
        self._within = f"/namespaces/{namespace}" if namespace else ""
        self._client = client
        self._clock = clock or SystemClock()
        self._kinds: list[Kind] = list(APPS)
        self._changed = asyncio.Event()
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._addresses = 0
        self._ordinals = 0

    def follow(self, kind: Kind) -> None:
        """Run workloads of a custom kind, too; its status gets replicas, readyReplicas and a selector."""
        self._kinds.append(kind)
        self._spawn(self._notice(self._list(kind.api, kind.plural)))
        self._changed.set()

    async def set_ready(self, namespace: str, pod: str, ready: bool) -> None:
        """Let a pod's readiness probe pass or fail."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        there = await self._client.get(path)
        await self._client.merge(f"{path}/status", {"status": _running(there, ready=ready)})

    async def kill(self, namespace: str, pod: str) -> None:
        """Let a pod vanish, as if its node had gone."""
        await self._client.delete(f"/api/v1/namespaces/{namespace}/pods/{pod}", {"gracePeriodSeconds": 0})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Workloads]:
        """Run until the context ends."""
        for api, plural in (_PODS, *((kind.api, kind.plural) for kind in self._kinds)):
            self._spawn(self._notice(self._list(api, plural)))
        self._spawn(self._work())
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Run nothing any more: pods and figures stay as they are."""
        tasks = [*self._tasks, *self._starting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _list(self, api: str, plural: str) -> str:
        return f"{api}{self._within}/{plural}"

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notice(self, path: str) -> None:
        """Wake the worker at every change."""
        while True:
            with contextlib.suppress(Refused, aiohttp.ClientError, OSError):
                listed = await self._client.get(path)
                self._changed.set()
                async with self._client.watch(
                    path, resourceVersion=listed["metadata"]["resourceVersion"]
                ) as events:
                    async for _ in events:
                        self._changed.set()
            await asyncio.sleep(RETRY_S)

    async def _work(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._reconcile()
            except (Refused, aiohttp.ClientError, OSError):
                # Somebody was faster, or the server is away: look again.
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _reconcile(self) -> None:
        pods: list[Json] = (await self._client.get(self._list(*_PODS)))["items"]
        owners: set[str] = set()
        for kind in list(self._kinds):
            for workload in (await self._client.get(self._list(kind.api, kind.plural)))["items"]:
                uid = workload["metadata"]["uid"]
                owners.add(uid)
                await self._follow_one(kind, workload, [pod for pod in pods if _owner(pod) == uid])
        for pod in pods:
            owner = _owner(pod)
            if owner is not None and owner not in owners:
                await self._remove(pod)

    async def _follow_one(self, kind: Kind, workload: Json, pods: Sequence[Json]) -> None:
        for pod in pods:
            if "deletionTimestamp" in pod["metadata"]:
                await self._remove(pod)
        alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        wanted = look(workload, "spec.replicas") or 0
        # The ready ones stay, and among equals the older ones.
        alive.sort(key=lambda pod: (not is_ready(pod), int(pod["metadata"]["resourceVersion"])))
        for pod in alive[wanted:]:
            await self._remove(pod)
        alive = alive[:wanted]
        for _ in range(wanted - len(alive)):
            alive.append(await self._add(kind, workload))
        for pod in alive:
            if look(pod, "status.phase") == "Pending" and pod["metadata"]["uid"] not in self._starting:
                self._start(pod)
        await self._report(kind, workload, len(alive), sum(map(is_ready, alive)))

    async def _add(self, kind: Kind, workload: Json) -> Json:
        metadata = workload["metadata"]
        template = look(workload, "spec.template") or {}
        self._ordinals += 1
        pod = {
            "metadata": {
                "name": f"{metadata['name']}-{self._ordinals}",
                "labels": look(template, "metadata.labels") or {"app": metadata["name"]},
                "ownerReferences": [
                    {
                        "apiVersion": kind.api.removeprefix("/apis/"),
                        "kind": kind.name,
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": {"nodeName": "node", "containers": [{"name": "app", "image": "example"}]}
            | (template.get("spec") or {}),
        }
        return await self._client.create(f"/api/v1/namespaces/{metadata['namespace']}/pods", pod)

    async def _remove(self, pod: Json) -> None:
        metadata = pod["metadata"]
        starting = self._starting.pop(metadata["uid"], None)
        if starting is not None:
            starting.cancel()
        try:
            await self.kill(metadata["namespace"], metadata["name"])
        except Refused as refused:
            if refused.reply.code != 404:
                raise

    def _start(self, pod: Json) -> None:
        self._starting[pod["metadata"]["uid"]] = asyncio.create_task(self._become_ready(pod))

    async def _become_ready(self, pod: Json) -> None:
        metadata = pod["metadata"]
        await self._clock.sleep(self.start_s)
        self._addresses += 1
        address = f"127.1.{self._addresses // 250}.{self._addresses % 250 + 1}"
        status = _running(pod, ready=True) | {
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": "127.0.0.1",
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        while True:
            try:
                await self._client.merge(path, {"status": status})
                break
            except Refused as refused:
                if refused.reply.code == 404:
                    break
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(RETRY_S)

    async def _report(self, kind: Kind, workload: Json, replicas: int, ready: int) -> None:
        status: Json = {"replicas": replicas, "readyReplicas": ready}
        if kind in APPS:
            status |= {"availableReplicas": ready, "observedGeneration": workload["metadata"]["generation"]}
        else:
            status["selector"] = f"app={workload['metadata']['name']}"
        if kind.name == "Deployment":
            status |= {"updatedReplicas": replicas, "unavailableReplicas": replicas - ready}
        elif kind.name == "ReplicaSet":
            status["fullyLabeledReplicas"] = replicas
        elif kind.name == "StatefulSet":
            status |= {"currentReplicas": replicas, "updatedReplicas": replicas}
        there = workload.get("status") or {}
        if any((there.get(name) or 0) != value for name, value in status.items()):
            await self._client.merge(f"{kind.path(workload)}/status", {"status": status})


def is_ready(pod: Json) -> bool:
    """Tell whether a pod is ready."""
    conditions = look(pod, "status.conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _owner(pod: Json) -> str | None:
    references = pod["metadata"].get("ownerReferences") or []
    return next((one["uid"] for one in references if one.get("controller")), None)


def _running(pod: Json, *, ready: bool) -> Json:
    value, now = "True" if ready else "False", timestamp()
    types = ("Initialized", "PodScheduled", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": [
            {
                "type": name,
                "status": "True" if name in ("Initialized", "PodScheduled") else value,
                "lastTransitionTime": now,
            }
            for name in types
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "image": "example",
                "imageID": "example",
                "state": {"running": {"startedAt": now}},
            }
            for container in pod["spec"]["containers"]
        ],
    }
