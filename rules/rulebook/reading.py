"""Texts from files and folders, each read once and all of one moment. Knows files and nothing of what they say.

A folder that Kubernetes mounts from a ConfigMap or Secret holds `..data`, a link to a hidden folder with the files, and
links to each file through it; an update makes a new hidden folder and swaps `..data` at once. Such a folder is read
through where `..data` led at the beginning; if it leads elsewhere at the end, everything is read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rulebook.errors import Problem
from rulebook.yamltree import MAX_BYTES

MAX_FILES: Final = 1000
MAX_TEXT: Final = 64 * 1024 * 1024
SUFFIXES: Final = frozenset({".yaml", ".yml"})
ATTEMPTS: Final = 10

_DATA: Final = "..data"


@dataclass(slots=True)
class Texts:
    """What was read, by the file's name as people know it, in order; and what could not be."""

    texts: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """Files to read (name -> where to read it), and the mounts that they are read through (folder -> data)."""

    files: dict[Path, Path] = field(default_factory=dict)
    mounts: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_texts(paths: Iterable[Path]) -> Texts:
    """Read files and folders (`*.yaml`, `*.yml`; what is hidden is left out)."""
    paths = list(paths)
    for _ in range(ATTEMPTS):
        found = _collect(paths)
        texts = Texts(problems=found.problems)
        for name, place in found.files.items():
            _read(name, place, texts)
        changed = [folder for folder, data in found.mounts.items() if _mounted(folder) != data]
        if not changed:
            return texts
    message = f"changed {ATTEMPTS} times while it was read"
    return Texts(problems=[Problem(str(folder), 0, 0, "", None, message) for folder in changed])


def _collect(paths: Iterable[Path]) -> _Found:
    found = _Found()
    for path in paths:
        if not path.is_dir():
            found.files.setdefault(path, path)
            continue
        here: dict[Path, Path] = {}
        for name, place in _folder_files(path, found.mounts):
            here[name] = place
            if len(here) > MAX_FILES:
                break
        if not here:
            found.problems.append(Problem(str(path), 0, 0, "", None, "holds no *.yaml or *.yml file"))
        if len(here) > MAX_FILES:
            found.problems.append(Problem(str(path), 0, 0, "", None, f"holds more than {MAX_FILES} files"))
            continue
        for name, place in here.items():
            found.files.setdefault(name, place)
    return found


def _folder_files(path: Path, mounts: dict[Path, str]) -> Iterator[tuple[Path, Path]]:
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        data = _mounted(Path(folder))
        if data is not None:
            mounts[Path(folder)] = data
            root = Path(folder) / data
            for below, place in _folder_files(root, mounts):
                yield Path(folder) / below.relative_to(root), place
        for name in sorted(names):
            file = Path(folder) / name
            through = data is not None and file.is_symlink() and os.readlink(file).startswith(_DATA)
            if not name.startswith(".") and file.suffix in SUFFIXES and not through:
                yield file, file


def _mounted(folder: Path) -> str | None:
    """Where `..data` of a folder leads, None where there is none."""
    try:
        return os.readlink(folder / _DATA)
    except OSError:
        return None


def _read(name: Path, place: Path, texts: Texts) -> None:
    data = _read_bytes(name, place, texts)
    if data is None:
        return
    if sum(map(len, texts.texts.values())) + len(data) > MAX_TEXT:
        texts.problems.append(Problem(str(name), 0, 0, "", None, f"is beyond {MAX_TEXT} bytes in all"))
        return
    try:
        texts.texts[name] = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        texts.problems.append(Problem(str(name), line, 1, "", None, "is not UTF-8"))


def _read_bytes(name: Path, place: Path, texts: Texts) -> bytes | None:
    try:
        if place.exists() and not place.is_file():
            texts.problems.append(Problem(str(name), 0, 0, "", None, "is not a regular file"))
            return None
        with place.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        texts.problems.append(Problem(str(name), 0, 0, "", None, f"cannot be read: {reason}"))
        return None
    if len(data) > MAX_BYTES:
        texts.problems.append(too_large(str(name)))
        return None
    return data


def too_large(file: str) -> Problem:
    """The problem of a text that is longer than is read."""
    return Problem(file, 0, 0, "", None, f"is larger than {MAX_BYTES} bytes")
