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


@dataclass(frozen=True, slots=True)
class Faulty:
    """A document that cannot be used, as far as can be told which one it is: of a file that is no YAML, nothing is known."""

    kind: str | None
    name: str | None
    file: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """The documents that can be used, and those that cannot."""

    documents: Documents
    faulty: tuple[Faulty, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong, each thing once."""
        return tuple(dict.fromkeys(problem for entry in self.faulty for problem in entry.problems))


def load_documents(path: FilePath | str | Sequence[FilePath | str]) -> Documents:
    """Load files and folders (`*.yaml`, `*.yml`, hidden ones left out), each with any number of documents.

    Raises:
        DocumentErrors: something is wrong anywhere; it lists everything that is.
    """
    return _sound(survey_documents(path))


def load_text(text: str, file: str = "<text>") -> Documents:
    """Load documents from a text; `file` is what problems call it.

    Raises:
        DocumentErrors: something is wrong; it lists everything that is.
    """
    if len(text) > MAX_BYTES:
        raise DocumentErrors([too_large(file)])
    findings = _Findings()
    findings.read(text, file)
    return _sound(findings.survey([]))


def survey_documents(path: FilePath | str | Sequence[FilePath | str]) -> Survey:
    """Load what can be used, as `load_documents` does, and tell what cannot: one mistake need not spoil the rest."""
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    read = read_texts([FilePath(entry) for entry in paths])
    findings = _Findings()
    findings.faulty += [Faulty(None, None, problem.file, (problem,)) for problem in read.problems]
    for file, text in read.texts.items():
        findings.read(text, str(file))
    return findings.survey(read.texts)


def _sound(survey: Survey) -> Documents:
    if survey.faulty:
        raise DocumentErrors(survey.problems)
    return survey.documents


@dataclass(slots=True)
class _Findings:
    """What was found in the texts so far."""

    loaded: list[Loaded] = field(default_factory=list)
    foreign: list[Foreign] = field(default_factory=list)
    faulty: list[Faulty] = field(default_factory=list)

    def read(self, text: str, file: str) -> None:
        nodes, broken = parse_text(text, file)
        if broken:
            self.faulty.append(Faulty(None, None, file, tuple(broken)))
        for node in nodes:
            kind = _scalar(node, "kind")
            if kind in FOREIGN:
                self.foreign += read_foreign(node, file)
                continue
            problems: list[Problem] = []
            model = _model_of(node, file, problems)
            if model is not None:
                document, wrong = validate(model, node, file)
                problems += wrong
                if document is not None:
                    self.loaded.append(Loaded(document, node, file))
            if problems:
                name = _scalar(node, "metadata", "name")
                self.faulty.append(Faulty(kind, name, file, tuple(problems)))

    def survey(self, files: Iterable[FilePath]) -> Survey:
        blamed = check_together(
            [(entry.document, entry.node, entry.file) for entry in self.loaded], self.foreign
        )
        unusable = {id(document) for document, _ in blamed}
        faulty = [
            Faulty(document.kind, document.name, problem.file, (problem,)) for document, problem in blamed
        ]
        loaded = tuple(entry for entry in self.loaded if id(entry.document) not in unusable)
        documents = [entry.document for entry in loaded]
        return Survey(
            Documents(
                onsales={entry.name: entry for entry in documents if isinstance(entry, Onsale)},
                rules={entry.name: entry for entry in documents if isinstance(entry, ScalingRule)},
                pools={entry.name: entry for entry in documents if isinstance(entry, ProcessPool)},
                tests={entry.name: entry for entry in documents if isinstance(entry, RuleTest)},
                files=tuple(files),
                loaded=loaded,
            ),
            tuple(self.faulty + faulty),
        )


def _scalar(node: Node, *path: str) -> str | None:
    """Give the text at a path of mappings, None where there is none."""
    found: Node | None = node
    for key in path:
        found = (found.entries or {}).get(key) if found is not None else None
    return found.scalar if found is not None and isinstance(found.scalar, str) else None


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
