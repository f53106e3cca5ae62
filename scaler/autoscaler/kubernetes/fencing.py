"""Marks a target with the term of its leader, so that nothing which an earlier leader still has in hand can be written.

A leader that was frozen decides on a version of the target from before the mark; its write then meets a newer version, and the
API server refuses it. The mark itself is never put back to an earlier term.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autoscaler.errors import Conflict, LaterTerm
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import MERGE_PATCH, KubernetesClient
from autoscaler.kubernetes.pods import TERM_ANNOTATION, Workload, read_workload
from autoscaler.kubernetes.resources import Reference, Resource

TRIES: Final = 5


async def mark_term(
    client: KubernetesClient,
    resource: Resource,
    reference: Reference,
    term: int,
    check: Callable[[], None] | None = None,
    seen: Workload | None = None,
) -> Workload:
    """Write a leader's term to its target, unless it stands there; returns the target with it.

    `check` raises when nothing may be written (any more). What was `seen` of the target saves reading it: a mark that rests on
    too old a version is refused, and then it is read.

    Raises:
        LaterTerm: a leader of a later term has been there.
        KubernetesError: it cannot be written.
    """
    path = resource.object(reference.namespace, reference.name)
    for tries_left in reversed(range(TRIES)):
        found = seen or read_workload(await client.get(path))
        if found.term > term:
            raise LaterTerm(
                f"{reference}: a leader of term {found.term} has taken over from term {term}", found.term
            )
        if found.term == term:
            return found
        marked: Json = {"resourceVersion": found.version, "annotations": {TERM_ANNOTATION: str(term)}}
        try:
            written = await client.request(
                "PATCH", path, body={"metadata": marked}, content_type=MERGE_PATCH, before_sending=check
            )
        except Conflict:
            if not tries_left:
                raise
            seen = None
        else:
            return read_workload(written)
    raise AssertionError("not reached")
