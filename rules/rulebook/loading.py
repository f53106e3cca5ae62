"""Documents from files and folders: all that is there, or every problem there is. The only module here that reads files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final

from rulebook.consistency import check_together
from rulebook.document import API_VERSION, Named
from rulebook.errors import DocumentErrors, Problem, shorten
from rulebook.onsale import Onsale
from rulebook.pool import ProcessPool
from rulebook.rule import ScalingRule
from rulebook.validation import closest, problem_at, validate
from rulebook.yamltree import MAX_BYTES, Node, parse_text

MAX_FILES: Final = 1000
SUFFIXES: Final = frozenset({".yaml", ".yml"})
KINDS: Final[Mapping[str, type[Named]]] = {
    "Onsale": Onsale,
    "ScalingRule": ScalingRule,
    "ProcessPool": ProcessPool,
}


@dataclass(frozen=True, slots=True)
class Documents:
    """What was loaded, by name; `files` are those it came from."""

    onsales: Mapping[str, Onsale] = field(default_factory=dict)
    rules: Mapping[str, ScalingRule] = field(default_factory=dict)
    pools: Mapping[str, ProcessPool] = field(default_factory=dict)
    files: tuple[FilePath, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """One document that is right in itself, and where it stands."""

    document: Named
    node: Node
    file: str


def load_documents(path: FilePath | str | Sequence[FilePath | str]) -> Documents:
    """Load files and folders (`*.yaml`, `*.yml`, hidden ones left out), each with any number of documents.

    Raises:
        DocumentErrors: something is wrong anywhere; it lists everything that is.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    files, problems = _collect([FilePath(entry) for entry in paths])
    loaded: list[Loaded] = []
    for file in files:
        text = _read(file, problems)
        if text is not None:
            loaded += _load_text(text, str(file), problems)
    return _together(loaded, problems, files)


def load_text(text: str, file: str = "<text>") -> Documents:
    """Load documents from a text; `file` is what problems call it.

    Raises:
        DocumentErrors: something is wrong; it lists everything that is.
    """
    problems: list[Problem] = []
    if len(text) > MAX_BYTES:
        raise DocumentErrors([_too_large(file)])
    return _together(_load_text(text, file, problems), problems, [])


def _together(loaded: list[Loaded], problems: list[Problem], files: Iterable[FilePath]) -> Documents:
    problems += check_together([(entry.document, entry.node, entry.file) for entry in loaded])
    if problems:
        raise DocumentErrors(problems)
    documents = [entry.document for entry in loaded]
    return Documents(
        onsales={document.name: document for document in documents if isinstance(document, Onsale)},
        rules={document.name: document for document in documents if isinstance(document, ScalingRule)},
        pools={document.name: document for document in documents if isinstance(document, ProcessPool)},
        files=tuple(files),
    )


def _load_text(text: str, file: str, problems: list[Problem]) -> list[Loaded]:
    nodes, found = parse_text(text, file)
    problems += found
    loaded = []
    for node in nodes:
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


def _collect(paths: Iterable[FilePath]) -> tuple[list[FilePath], list[Problem]]:
    files: dict[FilePath, None] = {}
    problems = []
    for path in paths:
        if not path.is_dir():
            files[path] = None
            continue
        found: list[FilePath] = []
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [
                FilePath(folder) / name
                for name in sorted(names)
                if not name.startswith(".") and FilePath(name).suffix in SUFFIXES
            ]
            if len(found) > MAX_FILES:
                break
        if not found:
            problems.append(Problem(str(path), 0, 0, "", None, "holds no *.yaml or *.yml file"))
        if len(found) > MAX_FILES:
            problems.append(Problem(str(path), 0, 0, "", None, f"holds more than {MAX_FILES} files"))
            continue
        files.update(dict.fromkeys(found))
    return list(files), problems


def _read(file: FilePath, problems: list[Problem]) -> str | None:
    try:
        if file.exists() and not file.is_file():
            problems.append(Problem(str(file), 0, 0, "", None, "is not a regular file"))
            return None
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problems.append(Problem(str(file), 0, 0, "", None, f"cannot be read: {reason}"))
        return None
    if len(data) > MAX_BYTES:
        problems.append(_too_large(str(file)))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.append(Problem(str(file), line, 1, "", None, "is not UTF-8"))
        return None


def _too_large(file: str) -> Problem:
    return Problem(file, 0, 0, "", None, f"is larger than {MAX_BYTES} bytes")
