"""What tells one state of a file from another without reading it: for all who follow files that others rewrite or replace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

FileStamp: TypeAlias = tuple[int, int, int, int]
"""Device, inode, time of the last change in nanoseconds, size in bytes."""


def file_stamp(path: Path) -> FileStamp | None:
    """Return the stamp of what stands at a path, links followed; None where nothing can be seen there.

    Two stamps are to be compared, and mean nothing else. The inode tells a file that was put in the place of another of the same
    size within one tick of the file system's clock, as a swapped `..data` link does with a mounted ConfigMap.
    """
    try:
        return stamp_of(path.stat())
    except OSError:
        return None


def stamp_of(found: os.stat_result) -> FileStamp:
    """Return the same of what a `stat` has told, for those who say why there is none."""
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
