"""What must hold between documents, and what the models accept but nothing here carries out yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from rulebook.document import Named
from rulebook.errors import Problem
from rulebook.onsale import Onsale, Protect
from rulebook.rule import ScalingRule
from rulebook.validation import problem_at
from rulebook.yamltree import Node

Placed: TypeAlias = tuple[Named, Node, str]

_NOT_YET: Final = ("schedule", "forecast")


def check_together(documents: Sequence[Placed]) -> list[Problem]:
    """List what is wrong between documents that are each right in themselves."""
    return [
        *_duplicate_names(documents),
        *_duplicate_targets(documents),
        *_overlapping_protection(documents),
        *_not_supported(documents),
    ]


def _duplicate_names(documents: Iterable[Placed]) -> Iterator[Problem]:
    first: dict[tuple[str, str], tuple[Node, str]] = {}
    for document, node, file in documents:
        key = (document.kind, document.name)
        if key in first:
            message = f"{document.kind} {document.name} is already defined in {_where(*first[key])}"
            yield problem_at(node, file, ("metadata", "name"), message)
        else:
            first[key] = (node, file)


def _duplicate_targets(documents: Iterable[Placed]) -> Iterator[Problem]:
    first: dict[tuple[str, str, str | None, str], tuple[str, Node, str]] = {}
    for document, node, file in documents:
        if not isinstance(document, ScalingRule):
            continue
        target = document.spec.target
        # The group counts, not its version: apps/v1 and apps/v2 would be the same thing.
        key = (target.api_version.rpartition("/")[0], target.kind, target.namespace, target.name)
        if key in first:
            name, first_node, first_file = first[key]
            place = _where(first_node, first_file)
            message = f"{target} already belongs to rule {name} in {place}"
            yield problem_at(node, file, ("spec", "target"), message)
        else:
            first[key] = (document.name, node, file)


def _overlapping_protection(documents: Iterable[Placed]) -> Iterator[Problem]:
    seen: list[tuple[Protect, str]] = []
    for document, node, file in documents:
        if not isinstance(document, Onsale):
            continue
        for index, guarded in enumerate(document.spec.protect):
            for other, name in seen:
                if name != document.name and _overlap(guarded, other):
                    message = (
                        f"overlaps with onsale {name}, which protects {other.host or '*'}{other.path} too"
                    )
                    yield problem_at(node, file, ("spec", "protect", index), message)
        seen += [(guarded, document.name) for guarded in document.spec.protect]


def _overlap(one: Protect, other: Protect) -> bool:
    same_host = one.host is None or other.host is None or one.host == other.host
    return same_host and one.path.rstrip("/") == other.path.rstrip("/")


def _not_supported(documents: Iterable[Placed]) -> Iterator[Problem]:
    for document, node, file in documents:
        if not isinstance(document, ScalingRule):
            continue
        for name in _NOT_YET:
            if getattr(document.spec, name):
                yield problem_at(node, file, ("spec", name), "is not supported yet")


def _where(node: Node, file: str) -> str:
    return f"{file}:{node.line}"
