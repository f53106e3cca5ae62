"""What tells one state of a file from another."""

import os
from pathlib import Path

import pytest

from rulebook.filestamp import file_stamp


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("once")
    return path


def test_a_file_that_nobody_touched_has_the_same_stamp(file: Path) -> None:
    assert file_stamp(file) == file_stamp(file)
    file.read_text()
    assert file_stamp(file) == file_stamp(file.parent / "." / "file")


def test_what_is_not_there_has_none(file: Path) -> None:
    assert file_stamp(file.parent / "missing") is None
    assert file_stamp(file / "below") is None


def test_another_size_or_time_shows(file: Path) -> None:
    before = file_stamp(file)
    file.write_text("more than once")
    os.utime(file, ns=(0, 10**18))
    longer = file_stamp(file)
    os.utime(file, ns=(0, 10**18 + 1))
    assert len({before, longer, file_stamp(file)}) == 3


@pytest.mark.parametrize("link", [False, True], ids=["replaced", "link swapped"])
def test_another_file_of_the_same_size_and_time_shows(file: Path, link: bool) -> None:
    seen = file
    if link:
        seen = file.parent / "link"
        seen.symlink_to(file)
    before, at_ns = file_stamp(seen), file.stat().st_mtime_ns
    draft = file.parent / "draft"
    draft.write_text("else")
    os.utime(draft, ns=(at_ns, at_ns))
    if link:
        (file.parent / "new").symlink_to(draft)
        (file.parent / "new").replace(seen)
    else:
        draft.replace(seen)
    assert seen.stat().st_mtime_ns == at_ns
    assert file_stamp(seen) != before
