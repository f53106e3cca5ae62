"""What must hold between documents that are each right in themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from rulebook.document import Named
from rulebook.errors import Problem
from rulebook.foreign import Foreign
from rulebook.onsale import Onsale, Protect
from rulebook.rule import ScalingRule
from rulebook.ruletest import RuleTest, check_against
from rulebook.validation import problem_at
from rulebook.yamltree import Node

Placed: TypeAlias = tuple[Named, Node, str]


Blamed: TypeAlias = tuple[Named, Problem]
"""A problem, and the document that cannot be used for it."""


def check_together(documents: Sequence[Placed], foreign: Sequence[Foreign] = ()) -> list[Blamed]:
    """List what is wrong between documents that are each right in themselves; `foreign` are other autoscalers."""
    return [
        *_duplicate_names(documents),
        *_duplicate_targets(documents),
        *_other_autoscalers(documents, foreign),
        *_overlapping_protection(documents),
        *_wrong_tests(documents),
    ]


def _duplicate_names(documents: Iterable[Placed]) -> Iterator[Blamed]:
    first: dict[tuple[str, str], tuple[Node, str]] = {}
    for document, node, file in documents:
        key = (document.kind, document.name)
        if key in first:
            message = f"{document.kind} {document.name} is already defined in {_where(*first[key])}"
            yield document, problem_at(node, file, ("metadata", "name"), message)
        else:
            first[key] = (node, file)


def _duplicate_targets(documents: Iterable[Placed]) -> Iterator[Blamed]:
    first: dict[tuple[str, str, str, str], tuple[str, Node, str]] = {}
    for document, node, file in documents:
        if not isinstance(document, ScalingRule):
            continue
        target = document.spec.target
        key = target.key
        if key in first:
            name, first_node, first_file = first[key]
            place = _where(first_node, first_file)
            message = f"{target} already belongs to rule {name} in {place}"
            yield document, problem_at(node, file, ("spec", "target"), message)
        else:
            first[key] = (document.name, node, file)


def _other_autoscalers(documents: Iterable[Placed], foreign: Iterable[Foreign]) -> Iterator[Blamed]:
    owners = {
        document.spec.target.key: document
        for document, _, _ in documents
        if isinstance(document, ScalingRule)
    }
    for other in foreign:
        owner = owners.get(other.key)
        if owner is not None:
            message = (
                f"{other.kind} {other.name} scales {owner.spec.target}, which belongs to rule {owner.name}"
            )
            yield owner, problem_at(other.node, other.file, other.path, message)


def _wrong_tests(documents: Sequence[Placed]) -> Iterator[Blamed]:
    rules = {document.name: document for document, _, _ in documents if isinstance(document, ScalingRule)}
    for document, node, file in documents:
        if isinstance(document, RuleTest):
            for path, message in check_against(document, rules.get(document.spec.rule)):
                yield document, problem_at(node, file, path, message)


def _overlapping_protection(documents: Iterable[Placed]) -> Iterator[Blamed]:
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
                    yield document, problem_at(node, file, ("spec", "protect", index), message)
        seen += [(guarded, document.name) for guarded in document.spec.protect]


def _overlap(one: Protect, other: Protect) -> bool:
    same_host = one.host is None or other.host is None or one.host == other.host
    return same_host and one.path.rstrip("/") == other.path.rstrip("/")


def _where(node: Node, file: str) -> str:
    return f"{file}:{node.line}"
