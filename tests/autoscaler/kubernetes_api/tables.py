"""The tables that kubectl prints: a server answers with rows if they are asked for.

Source: kubernetes/kubernetes `pkg/printers/internalversion/printers.go`, the columns of the kinds that our tests look at.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.autoscaler.kubernetes_api.kinds import Resource
from tests.autoscaler.kubernetes_api.selection import look
from tests.autoscaler.kubernetes_api.statuses import Json

_COLUMNS = {
    "Deployment": ("Ready", "Up-to-date", "Available"),
    "StatefulSet": ("Ready",),
    "ReplicaSet": ("Desired", "Current", "Ready"),
    "Pod": ("Ready", "Status", "Restarts"),
    "Lease": ("Holder",),
    "Namespace": ("Status",),
}


def wants_table(accept: str) -> bool:
    return "as=Table" in accept


def table(resource: Resource, things: list[Json], metadata: Json) -> Json:
    """Return objects as rows."""
    columns = ("Name", *_COLUMNS.get(resource.kind, ()), "Age")
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": "name" if name == "Name" else "",
                "description": "",
                "priority": 0,
            }
            for name in columns
        ],
        "rows": [
            {
                "cells": [thing["metadata"]["name"], *_cells(resource.kind, thing), _age(thing)],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": thing["metadata"],
                },
            }
            for thing in things
        ],
    }


def _cells(kind: str, thing: Json) -> list[Any]:
    wanted, ready = look(thing, "spec.replicas") or 0, look(thing, "status.readyReplicas") or 0
    match kind:
        case "Deployment":
            updated = look(thing, "status.updatedReplicas") or 0
            return [f"{ready}/{wanted}", updated, look(thing, "status.availableReplicas") or 0]
        case "StatefulSet":
            return [f"{ready}/{wanted}"]
        case "ReplicaSet":
            return [wanted, look(thing, "status.replicas") or 0, ready]
        case "Pod":
            states = look(thing, "status.containerStatuses") or []
            all_of = len(look(thing, "spec.containers") or [])
            up = sum(1 for state in states if state.get("ready"))
            return [f"{up}/{all_of}", look(thing, "status.phase"), 0]
        case "Lease":
            return [look(thing, "spec.holderIdentity") or ""]
        case "Namespace":
            return [look(thing, "status.phase")]
    return []


def _age(thing: Json) -> str:
    born = datetime.fromisoformat(thing["metadata"]["creationTimestamp"])
    return f"{int((datetime.now(UTC) - born).total_seconds())}s"
