"""What people are shown of a pod, read from the object: the words of `kubectl get pods`. Pure.

After printPod of Kubernetes (pkg/printers/internalversion/printers.go), without what concerns init containers that have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from autoscaler.kubernetes.answers import Json
from autoscaler.targets.fleet import ContainerView, PodState, PodView

DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"


def view_pod(item: Json) -> PodView:
    """Read a pod."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    containers = [*_statuses(status, "containerStatuses")]
    name = main_container(item)
    image = next((c.get("image", "") for c in spec.get("containers") or [] if c.get("name") == name), "")
    ready = any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in status.get("conditions") or []
    )
    word = _word(metadata, status, ready=ready)
    return PodView(
        name=metadata["name"],
        state=_state(word, metadata, ready=ready),
        status=word,
        image=image,
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        since_s=_time(status.get("startTime") or metadata.get("creationTimestamp")),
        where=", ".join(part for part in (status.get("podIP") or "", spec.get("nodeName") or "") if part),
        containers=containers_of(item),
    )


def containers_of(item: Json) -> tuple[ContainerView, ...]:
    """Name the containers which print: the main one first, those that prepare the pod (init containers) last."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    restarts = {
        str(each.get("name", "")): int(each.get("restartCount") or 0)
        for kind in ("containerStatuses", "initContainerStatuses")
        for each in _statuses(status, kind)
    }
    names = [
        str(each.get("name", ""))
        for kind in ("containers", "initContainers")
        for each in spec.get(kind) or []
        if each.get("name")
    ]
    names.sort(key=lambda name: name != main_container(item))
    return tuple(ContainerView(name, restarts.get(name, 0)) for name in names)


def main_container(item: Json) -> str:
    """Name the container whose log is meant where none is named: as kubectl has it, the annotated or the first one."""
    annotations = item["metadata"].get("annotations") or {}
    names = [str(container.get("name", "")) for container in (item.get("spec") or {}).get("containers") or []]
    named = annotations.get(DEFAULT_CONTAINER)
    return named if named in names else next(iter(names), "")


def _word(metadata: Json, status: Json, *, ready: bool) -> str:
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in _statuses(status, kind):
            reason = _reason(container)
            if reason and not (kind == "initContainerStatuses" and reason == "Completed"):
                return reason
    phase = str(status.get("reason") or status.get("phase") or "Unknown")
    return "Not ready" if phase == "Running" and not ready else phase


def _state(word: str, metadata: Json, *, ready: bool) -> PodState:
    if metadata.get("deletionTimestamp"):
        return "ending"
    if ready:
        return "ready"
    return (
        "starting" if word in ("Pending", "ContainerCreating", "PodInitializing", "Not ready") else "failed"
    )


def _statuses(status: Json, kind: str) -> Iterator[dict[str, Any]]:
    for container in status.get(kind) or []:
        if isinstance(container, dict):
            yield container


def _reason(container: dict[str, Any]) -> str:
    state = container.get("state") or {}
    for kind in ("waiting", "terminated"):
        if state.get(kind):
            return str(state[kind].get("reason") or ("Error" if kind == "terminated" else ""))
    return ""


def _time(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
