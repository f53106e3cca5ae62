"""Folders as Kubernetes mounts them from ConfigMaps: each file once, all of one moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rulebook import DocumentErrors, load_documents, reading
from rulebook.reading import read_texts


def mount(folder: Path, version: str, texts: dict[str, str]) -> None:
    """Write a version and swap it in, as the kubelet does."""
    data = folder / f"..{version}"
    for name, text in texts.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
        top = folder / Path(name).parts[0]
        if not top.is_symlink():
            top.symlink_to(Path("..data") / Path(name).parts[0])
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").rename(folder / "..data")


def test_each_file_of_a_mount_is_read_once(tmp_path: Path) -> None:
    mount(tmp_path, "one", {"a.yaml": "a: 1", "sub/b.yaml": "b: 1", "c.txt": "c"})
    (tmp_path / "own.yaml").write_text("d: 1")
    read = read_texts([tmp_path])
    assert {str(file.relative_to(tmp_path)): text for file, text in read.texts.items()} == {
        "a.yaml": "a: 1",
        "sub/b.yaml": "b: 1",
        "own.yaml": "d: 1",
    }
    assert read.problems == []


def test_a_mount_below_a_folder_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    mount(tmp_path / "rules", "one", {"a.yaml": "a: 1"})
    assert list(read_texts([tmp_path]).texts) == [tmp_path / "rules" / "a.yaml"]


def test_a_mount_that_changes_while_it_is_read_is_read_again_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(tmp_path, "one", {"a.yaml": "one", "b.yaml": "one"})
    read_one = reading._read
    reads: list[Path] = []

    def read_and_swap(name: Path, place: Path, texts: reading.Texts) -> None:
        read_one(name, place, texts)
        reads.append(name)
        if len(reads) == 1:
            mount(tmp_path, "two", {"a.yaml": "two", "b.yaml": "two"})
            for file in (tmp_path / "..one").iterdir():
                file.unlink()

    monkeypatch.setattr(reading, "_read", read_and_swap)
    read = read_texts([tmp_path])
    assert sorted(read.texts.values()) == ["two", "two"]
    assert read.problems == []


def test_a_mount_that_never_stands_still_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(tmp_path, "v0", {"a.yaml": "a: 1"})
    versions = iter(range(1, 1000))
    read_one = reading._read

    def read_and_swap(name: Path, place: Path, texts: reading.Texts) -> None:
        read_one(name, place, texts)
        mount(tmp_path, f"v{next(versions)}", {"a.yaml": "a: 1"})

    monkeypatch.setattr(reading, "_read", read_and_swap)
    with pytest.raises(DocumentErrors, match="changed 10 times while it was read"):
        load_documents(tmp_path)


def test_a_mount_without_yaml_is_a_problem_like_any_folder(tmp_path: Path) -> None:
    mount(tmp_path, "one", {"a.txt": "a: 1"})
    os.unlink(tmp_path / "a.txt")
    with pytest.raises(DocumentErrors, match=r"holds no \*\.yaml"):
        load_documents(tmp_path)
