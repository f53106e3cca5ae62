"""A token file as it stands now: read again once it has changed; one that cannot be used any more leaves the last good one."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from rulebook.admintokens import TokenEntry, TokenError, read_tokens
from rulebook.filestamp import file_stamp


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
        self._stamp = file_stamp(path)
        self.entries = load_tokens(path)

    def refresh(self) -> Reread | None:
        """Read the file again if it has changed; None where it has not."""
        stamp = file_stamp(self.path)
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
        raise TokenError(
            f"token file {path}: {error.strerror or error}; `tidegate onsale token NAME --add-to FILE` makes one"
        ) from error
    except UnicodeDecodeError as error:
        raise TokenError(f"{path}: not YAML or JSON") from error
    except TokenError as error:
        raise TokenError(f"{path}: {error}") from error


def add_token(path: Path, entry: TokenEntry) -> None:
    """Add a line to a token file, which is made if it is not there; who follows it reads it within a request.

    Raises:
        TokenError: the file cannot be read or written, or has an entry of that name.
    """
    if path.exists():
        load_tokens(path)  # what is wrong already is said of the file itself
    line = json.dumps(entry.model_dump(mode="json", exclude_none=True))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        text = path.read_text(encoding="utf-8").rstrip("\n") if path.exists() else ""
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{text}\n- {line}\n".lstrip("\n"))
            try:
                load_tokens(draft)
            except TokenError as error:
                reason = str(error).partition(": ")[2]
                raise TokenError(f"{path}: no line can be added: {reason}") from error
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise TokenError(f"{path}: cannot be written: {error.strerror or error}") from error
