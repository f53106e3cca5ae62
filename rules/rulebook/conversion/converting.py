"""From a text of foreign documents to the text of rules, each with its remarks as comments above it, and each loading."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML

from rulebook.conversion.draft import Draft
from rulebook.conversion.foreign import Fields, Remark
from rulebook.conversion.hpa import convert_hpa
from rulebook.conversion.keda import convert_scaled_object
from rulebook.errors import DocumentErrors, Problem, shorten
from rulebook.loading import load_text
from rulebook.yamltree import MAX_BYTES, Node, parse_text

_WIDTH: Final = 110
_CONVERTERS: Final = {"HorizontalPodAutoscaler": convert_hpa, "ScaledObject": convert_scaled_object}


@dataclass(frozen=True, slots=True)
class Conversion:
    """One converted document: its rule as YAML with comments, and the remarks by themselves."""

    kind: str
    name: str
    text: str
    remarks: tuple[Remark, ...]


def convert_text(text: str, file: str = "<text>") -> tuple[list[Conversion], list[Remark]]:
    """Convert every document that can be; the remarks beside are on documents that are of other kinds.

    Raises:
        DocumentErrors: the text is not YAML or beyond its limits, a document is not what its kind asks for, or none is
            of a kind that can be converted.
    """
    if len(text) > MAX_BYTES:
        raise DocumentErrors([Problem(file, 0, 0, "", None, f"is larger than {MAX_BYTES} bytes")])
    nodes, problems = parse_text(text, file)
    conversions: list[Conversion] = []
    skipped: list[Remark] = []
    for node in _unpacked(nodes):
        kind = _kind(node)
        if kind not in _CONVERTERS:
            skipped.append(
                Remark(f"{file}:{node.line}", f"skipped: {shorten(kind)} is not a kind to convert")
            )
            continue
        try:
            conversions.append(_convert(node, kind, file))
        except DocumentErrors as error:
            problems += error.problems
    if not problems and not conversions:
        listed = " or ".join(sorted(_CONVERTERS))
        problems.append(Problem(file, 0, 0, "", None, f"holds nothing to convert: no {listed}"))
    if problems:
        raise DocumentErrors(problems)
    return conversions, skipped


def _convert(node: Node, kind: str, file: str) -> Conversion:
    remarks: list[Remark] = []
    document = Fields(node, file, (), remarks)
    draft = _CONVERTERS[kind](document)
    document.close()
    if draft.lost:
        remarks.insert(
            0,
            Remark(
                "",
                "dryRun is set: a metric is missing that may have held the count up; replace it, then take dryRun away",
            ),
        )
    text = _written(draft, kind, file, remarks)
    try:
        load_text(text, f"{file} (converted)")
    except DocumentErrors as error:
        # The foreign document says something that its own API server would refuse as well.
        raise DocumentErrors(
            Problem(
                file,
                node.line,
                node.column,
                problem.path,
                problem.found,
                f"gives no valid rule: {problem.message}",
            )
            for problem in error.problems
        ) from error
    return Conversion(kind, draft.name, text, tuple(remarks))


def _written(draft: Draft, kind: str, file: str, remarks: list[Remark]) -> str:
    head = [f"Converted from {kind} {draft.name} ({file})."]
    if remarks:
        head.append("Not carried over, or to be checked:")
        head += [f"- {remark}" for remark in remarks]
    lines = [
        f"# {line}".rstrip()
        for entry in head
        for line in textwrap.wrap(
            _printable(entry), _WIDTH, subsequent_indent="  " if entry[0] == "-" else ""
        )
    ]
    return "\n".join(lines) + "\n" + _dumped(draft.document())


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _dumped(document: dict[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 16_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _unpacked(nodes: list[Node]) -> list[Node]:
    """Take the items out of `kind: List`, which is how kubectl prints several."""
    unpacked: list[Node] = []
    for node in nodes:
        items = (node.entries or {}).get("items") if _kind(node).endswith("List") else None
        unpacked += items.items if items is not None and items.items is not None else [node]
    return unpacked


def _kind(node: Node) -> str:
    kind = (node.entries or {}).get("kind")
    return kind.scalar if kind is not None and isinstance(kind.scalar, str) else "a document without a kind"
