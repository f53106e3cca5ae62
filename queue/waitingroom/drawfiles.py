"""The draw records which this host has seen, a file an onsale: they outlive the store and every process.

A record is signed and public, so a file needs no secrecy, only to be whole: it is written beside, synced and renamed. Whether a
record that was read is still good for the sale is the room's matter.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from waitingroom.errors import StateUnwritable

_LARGEST_BYTES = 1_000_000


class DrawFiles:
    """The folder of the records; made when the first one is kept. Several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def writable(self) -> bool:
        """Tell whether a record could be kept: in the folder, or in the nearest one above it that exists."""
        folder = self._folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)

    def read(self, onsale: str) -> str:
        """Return the record kept for `onsale`, an empty text if there is none that could be one."""
        path = self._path(onsale)
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                return ""
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def keep(self, onsale: str, record: str) -> None:
        """Keep a record: when this returns, it is on the disk.

        Raises:
            StateUnwritable: it cannot be written.
        """
        path = self._path(onsale)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            try:
                with draft.open("w", encoding="ascii") as file:
                    file.write(record + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            _sync_folder(self._folder)
        except OSError as error:
            raise StateUnwritable(
                f"state folder {self._folder}: {error.strerror or error}; the draw's record is kept in the store alone"
            ) from error

    def _path(self, onsale: str) -> Path:
        return self._folder / f"draw.{onsale}.jws"


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
