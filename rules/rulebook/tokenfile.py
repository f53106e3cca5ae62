"""A token file as it stands now: read again once it has changed; one that cannot be used any more leaves the last good one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rulebook.admintokens import TokenEntry, TokenError, read_tokens


@dataclass(frozen=True, slots=True)
class Reread:
    """A changed file was read: `problem` says why it is not in force, and is empty where it is."""

    problem: str = ""


class FollowedTokens:
    """The entries in force.

    Raises:
        TokenError: the file cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = _stamp(path)
        self.entries = load_tokens(path)

    def refresh(self) -> Reread | None:
        """Read the file again if it has changed; None where it has not."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            self.entries = load_tokens(self.path)
        except TokenError as error:
            return Reread(str(error))
        return Reread()


def load_tokens(path: Path) -> tuple[TokenEntry, ...]:
    """Read a token file.

    Raises:
        TokenError: the file cannot be read, or holds something else; the message begins with its path.
    """
    try:
        return read_tokens(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TokenError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TokenError(f"{path}: not YAML or JSON") from error
    except TokenError as error:
        raise TokenError(f"{path}: {error}") from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
