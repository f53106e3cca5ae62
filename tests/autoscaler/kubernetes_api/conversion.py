"""Objects which are seen in two forms: events of two groups, and the `Scale` of whatever can be scaled.

Sources: kubernetes/kubernetes `pkg/apis/events/v1/conversion.go`, `pkg/registry/apps/deployment/storage/storage.go`, and
apiextensions-apiserver `pkg/registry/customresource/etcd.go`.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.autoscaler.kubernetes_api.kinds import Resource, ScalePaths
from tests.autoscaler.kubernetes_api.selection import as_text, look
from tests.autoscaler.kubernetes_api.statuses import Json, internal_error, invalid, invalid_value

EVENTS_GROUP = "events.k8s.io"
SCALE_SCHEMA = "io.k8s.api.autoscaling.v1.Scale"
_EVENT_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_SHOWN_NAMES = {stored: shown for shown, stored in _EVENT_NAMES.items()}


def stored(resource: Resource, thing: Json) -> Json:
    """Return the form in which an object is stored."""
    if resource.group != EVENTS_GROUP:
        return thing
    return {_EVENT_NAMES.get(name, name): value for name, value in thing.items()}


def shown(resource: Resource, thing: Json) -> Json:
    """Return the form in which a resource shows a stored object, with its kind."""
    if resource.group == EVENTS_GROUP:
        thing = {_SHOWN_NAMES.get(name, name): value for name, value in thing.items()}
    body = {name: value for name, value in thing.items() if name not in ("kind", "apiVersion")}
    return {"kind": resource.kind, "apiVersion": resource.group_version, **body}


def scale_of(resource: Resource, paths: ScalePaths, thing: Json) -> Json:
    """Return an object's scale. Zero replicas are left out of its spec, as the real type leaves them out.

    Raises:
        ApiError: it says nothing of its replicas, which only custom resources can do (500, as from the real server).
    """
    metadata = thing["metadata"]
    replicas = look(thing, paths.spec)
    if replicas is None:
        raise internal_error(f'the spec replicas field ".{paths.spec}" does not exist')
    selector = look(thing, paths.selector) if paths.selector else None
    text = selector if isinstance(selector, str) else as_text(selector)
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in names if name in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": look(thing, paths.status) or 0} | ({"selector": text} if text else {}),
    }


def with_scale(paths: ScalePaths, thing: Json, scale: Json) -> Json:
    """Return the object after its scale was written: replicas, and the resourceVersion on which the writer decided.

    Raises:
        ApiError: fewer than no replicas (422).
    """
    replicas = look(scale, "spec.replicas") or 0
    if replicas < 0:
        error = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("autoscaling", "Scale", thing["metadata"]["name"], [error])
    changed = copy.deepcopy(thing)
    _set(changed, paths.spec, replicas)
    version = scale["metadata"].get("resourceVersion")
    changed["metadata"]["resourceVersion"] = version or thing["metadata"]["resourceVersion"]
    return changed


def _set(thing: Any, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        thing = thing.setdefault(step, {})
    thing[last] = value
