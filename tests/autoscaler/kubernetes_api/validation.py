"""What an object must say to be taken, and what is filled in: only as far as clients of ours come near it.

Sources: kubernetes/kubernetes `pkg/apis/{apps,coordination,core,autoscaling}/validation`, `pkg/apis/core/validation/events.go`,
apimachinery `pkg/api/validation/objectmeta.go`, and the defaults of `pkg/apis/apps/v1/defaults.go`.
"""

from __future__ import annotations

import re
from typing import Any

from tests.autoscaler.kubernetes_api.kinds import Resource
from tests.autoscaler.kubernetes_api.selection import look
from tests.autoscaler.kubernetes_api.statuses import FieldError, Json, invalid, invalid_value, required

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+$")
SUBDOMAIN_ADVICE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_IMMUTABLE = "field is immutable"
_TEXT_LIMIT, _NOTE_LIMIT = 128, 1024


def fill_in(resource: Resource, thing: Json) -> None:
    """Set the defaults of a new or changed object, and drop what the real types leave out when it is zero."""
    if resource.group == "apps":
        spec = thing.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        if resource.kind == "Deployment":
            spec.setdefault("progressDeadlineSeconds", 600)
            spec.setdefault("revisionHistoryLimit", 10)
            spec.setdefault(
                "strategy",
                {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            )
        status = thing.setdefault("status", {})
        # `omitempty` in the real types: a Deployment none of whose pods is ready has no readyReplicas at all.
        kept = () if resource.kind == "Deployment" else ("replicas",)
        thing["status"] = {key: value for key, value in status.items() if value != 0 or key in kept}
        if kept:
            thing["status"].setdefault("replicas", 0)
    elif resource.kind == "Pod":
        spec = thing.setdefault("spec", {})
        spec.setdefault("restartPolicy", "Always")
        spec.setdefault("serviceAccountName", "default")
        spec.setdefault("terminationGracePeriodSeconds", 30)
        thing.setdefault("status", {}).setdefault("phase", "Pending")
    elif resource.kind == "Namespace":
        thing.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        thing.setdefault("status", {}).setdefault("phase", "Active")


def validate(resource: Resource, thing: Json, before: Json | None) -> None:
    """See that an object may be stored.

    Raises:
        ApiError: it may not (422), with a cause for each mistake.
    """
    errors = _metadata(resource, thing, before)
    match resource.kind:
        case "Deployment" | "StatefulSet" | "ReplicaSet":
            errors += _workload(resource, thing, before)
        case "Pod":
            if not look(thing, "spec.containers"):
                errors.append(required("spec.containers"))
        case "Lease":
            errors += _lease(thing)
        case "Event":
            errors += _event(thing, strict=resource.group == "events.k8s.io", before=before)
        case "CustomResourceDefinition":
            wanted = f"{thing['spec']['names']['plural']}.{thing['spec']['group']}"
            if thing["metadata"]["name"] != wanted:
                detail = 'must be spec.names.plural+"."+spec.group'
                errors.append(invalid_value("metadata.name", thing["metadata"]["name"], detail))
        case _ if resource.scale is not None and not resource.schema:
            errors += _replicas(look(thing, resource.scale.spec), resource.scale.spec)
    if errors:
        raise invalid(resource.group, resource.kind, thing["metadata"].get("name", ""), errors)


def _metadata(resource: Resource, thing: Json, before: Json | None) -> list[FieldError]:
    name = thing["metadata"].get("name", "")
    rbac = resource.group == "rbac.authorization.k8s.io"
    errors = []
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    elif not (_PATH_SEGMENT if rbac else _SUBDOMAIN).match(name):
        errors.append(invalid_value("metadata.name", name, SUBDOMAIN_ADVICE))
    if before is not None and thing["metadata"].get("uid") != before["metadata"]["uid"]:
        errors.append(invalid_value("metadata.uid", thing["metadata"].get("uid"), _IMMUTABLE))
    return errors


def _replicas(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, int) and value < 0:
        return [invalid_value(path, value, "must be greater than or equal to 0")]
    return []


def _workload(resource: Resource, thing: Json, before: Json | None) -> list[FieldError]:
    spec = thing["spec"]
    errors = _replicas(spec["replicas"], "spec.replicas")
    selector, labels = spec.get("selector"), look(spec, "template.metadata.labels") or {}
    if not selector:
        errors.append(required("spec.selector"))
    else:
        wanted = selector.get("matchLabels") or {}
        if any(labels.get(key) != value for key, value in wanted.items()):
            detail = "`selector` does not match template `labels`"
            errors.append(invalid_value("spec.template.metadata.labels", labels, detail))
        if before is not None and selector != before["spec"]["selector"]:
            errors.append(invalid_value("spec.selector", selector, _IMMUTABLE))
    if not look(spec, "template.spec.containers"):
        errors.append(required("spec.template.spec.containers"))
    return errors


def _lease(thing: Json) -> list[FieldError]:
    spec = thing.get("spec") or {}
    errors = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        errors.append(invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        detail = "must be greater than or equal to 0"
        errors.append(invalid_value("spec.leaseTransitions", transitions, detail))
    return errors


def _event(event: Json, *, strict: bool, before: Json | None) -> list[FieldError]:
    """`event` is in the form of the core group, in which both kinds are stored."""
    errors = []
    about, own = look(event, "involvedObject.namespace") or "", event["metadata"].get("namespace", "")
    mismatch = invalid_value("involvedObject.namespace", about, "does not match event.namespace")
    if not event.get("eventTime"):
        if about != own and not (not about and own == "default"):
            errors.append(mismatch)
    else:
        if not about and own not in ("default", "kube-system"):
            errors.append(mismatch)
        fields = (("reportingController", "reportingComponent"), ("reportingInstance", "reportingInstance"),
                  ("action", "action"), ("reason", "reason"))  # fmt: skip
        for shown, stored in fields:
            text = event.get(stored, "")
            if not text:
                errors.append(required(shown))
            elif len(text) > _TEXT_LIMIT and shown != "reportingController":
                errors.append(invalid_value(shown, "", f"can have at most {_TEXT_LIMIT} characters"))
        if len(event.get("message", "")) > _NOTE_LIMIT:
            errors.append(invalid_value("message", "", f"can have at most {_NOTE_LIMIT} characters"))
    if strict:
        errors += _strict_event(event, before)
    return errors


def _strict_event(event: Json, before: Json | None) -> list[FieldError]:
    errors = []
    series = event.get("series")
    if series is not None and series.get("count", 0) < 2:
        errors.append(invalid_value("series.count", "", "should be at least 2"))
    if before is not None:
        fixed = ("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
                 "eventTime", "action", "related", "reportingComponent", "reportingInstance")  # fmt: skip
        changed = [name for name in fixed if event.get(name) != before.get(name)]
        return errors + [invalid_value(name, event.get(name, ""), _IMMUTABLE) for name in changed]
    if not event.get("eventTime"):
        errors.append(required("eventTime"))
    if event.get("type") not in ("Normal", "Warning"):
        errors.append(invalid_value("type", "", f"has invalid value: {event.get('type', '')}"))
    legacy = ("firstTimestamp", "lastTimestamp", "count", "source")
    return errors + [invalid_value(name, "", "needs to be unset") for name in legacy if event.get(name)]
