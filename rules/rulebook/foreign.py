"""Documents of other autoscalers that lie among ours: read only for what they scale, since a target has one master."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rulebook.yamltree import Node, Path

FOREIGN: Final = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another autoscaler and its target: `key` is group, kind, namespace and name."""

    kind: str
    name: str
    key: tuple[str, str, str, str]
    path: Path
    node: Node
    file: str


def read_foreign(node: Node, file: str) -> list[Foreign]:
    """Read a HorizontalPodAutoscaler's or a KEDA ScaledObject's target; nothing where it cannot be told."""
    plain = node.plain()
    spec, metadata = _mapping(plain.get("spec")), _mapping(plain.get("metadata"))
    reference = _mapping(spec.get("scaleTargetRef"))
    target = reference.get("name")
    if not isinstance(target, str):
        return []
    group = str(reference.get("apiVersion") or "apps/v1").rpartition("/")[0]
    namespace = str(metadata.get("namespace") or "default")
    key = (group, str(reference.get("kind") or "Deployment"), namespace, target)
    name = str(metadata.get("name") or "without a name")[:63]
    return [Foreign(str(plain.get("kind")), name, key, ("spec", "scaleTargetRef"), node, file)]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
