"""What is read of pods and of the objects that own them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from autoscaler.kubernetes.answers import Json

Port: TypeAlias = int | str
"""A port's number, or the name it has in the pod."""

TERM_ANNOTATION: Final = "tidegate.dev/leader-term"
"""Where the term of the leader stands which has marked an object last."""
UNMARKED: Final = -1
"""Instead of a term, where no leader has marked an object: before every term."""
METRICS_PORTS = ("metrics", "http-metrics")
"""The names which ports of metrics pages usually have."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: ready if it serves, that is, if its `Ready` condition holds and nobody has asked it to end."""

    name: str
    ip: str
    ready: bool
    ports: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """An object that is scaled: what it wants, and how many of its pods are ready, as far as it tells itself.

    `term` is that of the leader who marked it last, or `UNMARKED`.
    """

    version: str
    uid: str
    replicas: int | None
    ready: int | None
    selector: str
    set_by: str
    term: int = UNMARKED


def read_pod(item: Json) -> Pod:
    """Read a pod."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    ready = any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in status.get("conditions") or []
    )
    ports = tuple(
        (port.get("name", ""), int(port["containerPort"]))
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if "containerPort" in port and port.get("protocol", "TCP") == "TCP"
    )
    serves = ready and "deletionTimestamp" not in metadata
    return Pod(metadata["name"], status.get("podIP") or "", serves, ports)


def read_workload(item: Json) -> Workload:
    """Read a Deployment, a StatefulSet, a ReplicaSet, or what looks like one."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return Workload(
        version=metadata.get("resourceVersion", ""),
        uid=metadata.get("uid", ""),
        replicas=_count(spec.get("replicas")),
        ready=_count(status.get("readyReplicas")),
        selector=selector_text(spec.get("selector")),
        set_by=manager_of_replicas(metadata),
        term=term_of(metadata),
    )


def term_of(metadata: Json) -> int:
    """Return the term with which an object is marked; `UNMARKED` where there is none, or what is none."""
    text = (metadata.get("annotations") or {}).get(TERM_ANNOTATION)
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else UNMARKED


def selector_text(selector: Any) -> str:
    """Write a LabelSelector as queries have it; empty for what is none."""
    if not isinstance(selector, dict):
        return ""
    labels = selector.get("matchLabels")
    parts = [f"{name}={value}" for name, value in labels.items()] if isinstance(labels, dict) else []
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(expression.get("values") or [])
        match expression["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(sorted(parts))


def is_at_least(version: str, other: str) -> bool:
    """Tell whether a resource version is that one or a later one.

    Kubernetes 1.35 declares them to be numbers which can be compared (KEP-5504); before, they were just that in every server
    which stores in etcd. Of what is no number only equality can be told.
    """
    if not other or version == other:
        return True
    return version.isdecimal() and other.isdecimal() and int(version) >= int(other)


def manager_of_replicas(metadata: Json) -> str:
    """Name who last set `spec.replicas`, by the object's managed fields; empty where these do not tell."""
    owners = [
        entry
        for entry in metadata.get("managedFields") or []
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    owners.sort(key=lambda entry: str(entry.get("time", "")))
    return str(owners[-1].get("manager", "")) if owners else ""


def endpoints_of(pods: Iterable[Pod], port: Port | None) -> tuple[str, ...]:
    """Return the base URLs of the pods that are ready, sorted; those without such a port are left out.

    Without a port named, it is the one called `metrics` or `http-metrics`, else the first that a pod declares.
    """
    urls = []
    for pod in pods:
        number = _number(pod.ports, port)
        if pod.ready and pod.ip and number is not None:
            host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
            urls.append(f"http://{host}:{number}")
    return tuple(sorted(urls))


def _number(ports: Sequence[tuple[str, int]], port: Port | None) -> int | None:
    if isinstance(port, int):
        return port
    names = METRICS_PORTS if port is None else (port,)
    for name, number in ports:
        if name in names:
            return number
    return ports[0][1] if port is None and ports else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
