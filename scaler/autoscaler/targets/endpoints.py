"""The endpoints file: base URLs of the ready replicas, one a line, for whoever sends them requests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def write_endpoints(path: Path, urls: Sequence[str]) -> None:
    """Replace the file in one step, so that a reader sees the old list or the new one, and never half of it.

    Raises:
        OSError: it cannot be written; the old list stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
