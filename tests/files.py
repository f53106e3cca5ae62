"""Files that a command is told of, as types for `argparse`: what cannot be read or written is told before the work begins."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path


def read_file(text: str) -> Path:
    """Return the path of a file that can be read.

    Raises:
        ArgumentTypeError: it cannot be.
    """
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ArgumentTypeError(f"cannot read {text}: {error.strerror}") from error
    return path


def written_file(text: str) -> Path:
    """Return the path of a file that can be written; it is left as it is, and none is made.

    Raises:
        ArgumentTypeError: it cannot be.
    """
    path = Path(text)
    if path.is_dir():
        raise ArgumentTypeError(f"cannot write {text}: it is a folder")
    if not path.parent.is_dir():
        raise ArgumentTypeError(f"cannot write {text}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ArgumentTypeError(f"cannot write {text}: no right to")
    return path
