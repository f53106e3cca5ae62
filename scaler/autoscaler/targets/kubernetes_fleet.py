"""The pods of a target in a cluster: listed by its selector, their logs streamed, all of them replaced as kubectl does it.

Asked for when somebody looks, and not followed: the loop's own watches stay what they are.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from autoscaler.errors import OutcomeUnknown, TargetError, Unreachable
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import MERGE_PATCH
from autoscaler.kubernetes.resources import PODS
from autoscaler.targets.fleet import MAX_LINE, PodView, clean_line
from autoscaler.targets.kubernetes import KubernetesTarget
from autoscaler.targets.podviews import containers_of, main_container, view_pod

MOST: Final = 500
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
"""The annotation of the pod template which `kubectl rollout restart` sets: a changed template is rolled out."""
_ROLLED_OUT: Final = frozenset({("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")})
_MAX_REST: Final = MAX_LINE * 4


class KubernetesFleet:
    """The pods of one target."""

    def __init__(self, target: KubernetesTarget) -> None:
        self._target = target

    async def pods(self) -> tuple[PodView, ...]:
        """List the pods.

        Raises:
            TargetError: which pods are the target's is not known yet.
            KubernetesError: the cluster does not tell them.
        """
        views = [view_pod(item) for item in await self._items()]
        return tuple(sorted(views, key=lambda view: view.name))

    async def log(
        self, pod: str, lines: int, *, follow: bool, container: str = "", previous: bool = False
    ) -> AsyncGenerator[str, None]:
        """Stream the log of a pod's container, the main one where none is named; a former instance's is not followed.

        Raises:
            TargetError: the target has no such pod, or the pod no such container.
            KubernetesError: the cluster does not tell it.
        """
        item = next((item for item in await self._items() if item["metadata"]["name"] == pod), None)
        if item is None:
            raise TargetError(f"{self._target.name} has no pod {pod[:80]}")
        path = f"{PODS.object(self._target.reference.namespace, pod)}/log"
        names = [view.name for view in containers_of(item)]
        if container and container not in names:
            raise TargetError(f"{pod} has no container {container[:80]}, but {', '.join(names)}")
        query = [("container", container or main_container(item)), ("tailLines", str(lines))]
        if previous:
            query.append(("previous", "true"))
        elif follow:
            query.append(("follow", "true"))
        rest = b""
        async with aclosing(self._target.cluster.client.stream(path, query)) as chunks:
            async for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                for raw in whole:
                    yield clean_line(raw)
                rest = rest[:_MAX_REST]
        if rest:
            yield clean_line(rest)

    async def restart(self) -> None:
        """Have a Deployment or StatefulSet replace its pods by its own strategy.

        Raises:
            TargetError: it is of another kind, or its rollouts are paused.
            NotLeading: another scaler leads by now; nothing was written.
            OutcomeUnknown: the cluster did not answer; it may have begun or not.
            KubernetesError: the cluster refused it, or could not be asked before.
        """
        reference, client = self._target.reference, self._target.cluster.client
        if (reference.api_version, reference.kind) not in _ROLLED_OUT:
            raise TargetError(f"{reference}: a {reference.kind} has no rollout; restart it by what owns it")
        resource = await self._target.cluster.resources.find(reference)
        path = resource.object(reference.namespace, reference.name)
        if ((await client.get(path)).get("spec") or {}).get("paused"):
            raise TargetError(f"{reference}: its rollouts are paused (kubectl rollout resume)")
        annotations = {RESTARTED_AT: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        body: Json = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        try:
            await client.request(
                "PATCH", path, body=body, content_type=MERGE_PATCH, before_sending=self._target.check
            )
        except Unreachable as error:
            raise OutcomeUnknown(f"{error}; its pods tell whether they are being replaced") from error

    async def _items(self) -> list[Json]:
        selector = self._target.selector
        if not selector:
            raise TargetError(
                f"{self._target.name}: its selector is not known yet, so its pods cannot be listed"
            )
        path = PODS.collection(self._target.reference.namespace)
        answer = await self._target.cluster.client.get(
            path, [("labelSelector", selector), ("limit", str(MOST))]
        )
        return list(answer.get("items") or [])
