"""Documents from files and folders: all that is there, or every problem there is. What they must be, the models say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final

from rulebook.consistency import check_together
from rulebook.document import API_VERSION, Named
from rulebook.errors import DocumentErrors, Problem, shorten
from rulebook.foreign import FOREIGN, Foreign, read_foreign
from rulebook.onsale import Onsale
from rulebook.pool import ProcessPool
from rulebook.reading import read_texts, too_large
from rulebook.rule import ScalingRule
from rulebook.ruletest import RuleTest
from rulebook.validation import closest, place_of, problem_at, validate
from rulebook.yamltree import MAX_BYTES, Node, Path, parse_text

KINDS: Final[Mapping[str, type[Named]]] = {
    "Onsale": Onsale,
    "ScalingRule": ScalingRule,
    "ProcessPool": ProcessPool,
    "RuleTest": RuleTest,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """One document that is right in itself, and where it stands."""

    document: Named
    node: Node
    file: str

    def place(self, path: Path = ()) -> tuple[int, int]:
        """Line and column of a field, or of the nearest thing above it."""
        return place_of(self.node, path)


@dataclass(frozen=True, slots=True)
class Documents:
    """What was loaded, by name; `files` are those it came from, `loaded` tells where each document stands."""

    onsales: Mapping[str, Onsale] = field(default_factory=dict)
    rules: Mapping[str, ScalingRule] = field(default_factory=dict)
    pools: Mapping[str, ProcessPool] = field(default_factory=dict)
    tests: Mapping[str, RuleTest] = field(default_factory=dict)
    files: tuple[FilePath, ...] = ()
    loaded: tuple[Loaded, ...] = field(default=(), repr=False, compare=False)


def load_documents(path: FilePath | str | Sequence[FilePath | str]) -> Documents:
    """Load files and folders (`*.yaml`, `*.yml`, hidden ones left out), each with any number of documents.

    Raises:
        DocumentErrors: something is wrong anywhere; it lists everything that is.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    read = read_texts([FilePath(entry) for entry in paths])
    loaded: list[Loaded] = []
    foreign: list[Foreign] = []
    for file, text in read.texts.items():
        loaded += _load_text(text, str(file), foreign, read.problems)
    return _together(loaded, foreign, read.problems, read.texts)


def load_text(text: str, file: str = "<text>") -> Documents:
    """Load documents from a text; `file` is what problems call it.

    Raises:
        DocumentErrors: something is wrong; it lists everything that is.
    """
    problems: list[Problem] = []
    if len(text) > MAX_BYTES:
        raise DocumentErrors([too_large(file)])
    foreign: list[Foreign] = []
    loaded = _load_text(text, file, foreign, problems)
    return _together(loaded, foreign, problems, [])


def _together(
    loaded: list[Loaded], foreign: list[Foreign], problems: list[Problem], files: Iterable[FilePath]
) -> Documents:
    problems += check_together([(entry.document, entry.node, entry.file) for entry in loaded], foreign)
    if problems:
        raise DocumentErrors(problems)
    documents = [entry.document for entry in loaded]
    return Documents(
        onsales={document.name: document for document in documents if isinstance(document, Onsale)},
        rules={document.name: document for document in documents if isinstance(document, ScalingRule)},
        pools={document.name: document for document in documents if isinstance(document, ProcessPool)},
        tests={document.name: document for document in documents if isinstance(document, RuleTest)},
        files=tuple(files),
        loaded=tuple(loaded),
    )


def _load_text(text: str, file: str, foreign: list[Foreign], problems: list[Problem]) -> list[Loaded]:
    nodes, found = parse_text(text, file)
    problems += found
    loaded = []
    for node in nodes:
        if FOREIGN & {str(entry.scalar) for entry in [(node.entries or {}).get("kind")] if entry is not None}:
            foreign += read_foreign(node, file)
            continue
        model = _model_of(node, file, problems)
        if model is None:
            continue
        document, wrong = validate(model, node, file)
        problems += wrong
        if document is not None:
            loaded.append(Loaded(document, node, file))
    return loaded


def _model_of(node: Node, file: str, problems: list[Problem]) -> type[Named] | None:
    if node.entries is None:
        problems.append(problem_at(node, file, (), "must be a document", found=shorten(node.plain())))
        return None
    version, kind = node.entries.get("apiVersion"), node.entries.get("kind")
    word = kind.plain() if kind is not None else None
    known = KINDS.get(word) if isinstance(word, str) else None
    if version is None or (
        known is None and version.scalar != API_VERSION
    ):  # a known kind checks it by itself
        found, missing = (None, ", and is missing") if version is None else (shorten(version.plain()), "")
        problems.append(
            problem_at(node, file, ("apiVersion",), f"must be {API_VERSION}{missing}", found=found)
        )
    if known is not None:
        return known
    problems.append(
        problem_at(
            node,
            file,
            ("kind",),
            f"must be one of {', '.join(sorted(KINDS))}",
            found=shorten(word) if kind is not None else None,
            suggestion=closest(word, sorted(KINDS)) if isinstance(word, str) else None,
        )
    )
    return None
