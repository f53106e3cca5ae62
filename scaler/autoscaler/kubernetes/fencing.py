"""Marks a target with the term of its leader, so that nothing which an earlier leader still has in hand can be written.

A leader that was frozen decides on a version of the target from before the mark; its write then meets a newer version, and the
API server refuses it. The mark itself is never put back to an earlier term.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autoscaler.errors import Conflict, LaterTerm
from autoscaler.kubernetes.client import MERGE_PATCH, KubernetesClient
from autoscaler.kubernetes.resources import Reference, Resource

TERM_ANNOTATION: Final = "tidegate.dev/leader-term"
TRIES: Final = 5


async def mark_term(
    client: KubernetesClient,
    resource: Resource,
    reference: Reference,
    term: int,
    check: Callable[[], None] | None = None,
) -> None:
    """Write a leader's term to its target, unless it stands there. `check` raises when nothing may be written (any more).

    Raises:
        LaterTerm: a leader of a later term has been there.
        KubernetesError: it cannot be written.
    """
    path = resource.object(reference.namespace, reference.name)
    for tries_left in reversed(range(TRIES)):
        metadata = (await client.get(path))["metadata"]
        found = _term((metadata.get("annotations") or {}).get(TERM_ANNOTATION))
        if found > term:
            raise LaterTerm(f"{reference}: a leader of term {found} has taken over from term {term}", found)
        if found == term:
            return
        marked = {"resourceVersion": metadata["resourceVersion"], "annotations": {TERM_ANNOTATION: str(term)}}
        try:
            await client.request(
                "PATCH", path, body={"metadata": marked}, content_type=MERGE_PATCH, before_sending=check
            )
            return
        except Conflict:
            if not tries_left:
                raise


def _term(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else -1
