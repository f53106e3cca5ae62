"""Who may call the admin API: the token file, with hashes only, and the check of a presented token.

A file is a list (YAML or JSON) of `{name, role, sha256}` or `{name, role, scrypt}`, the latter for tokens that people chose;
`onsales: [...]` keeps a token to some onsales. Comparisons take the same time whatever differs. Tokens that we made are too long
to be guessed, and are found at once; others are what limits on guessing are for. A file which has changed is read
again; one that cannot be used any more leaves the last good one in force.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from waitingroom.errors import ConfigurationError
from waitingroom.memo import Memo

MAX_TOKEN_CHARS = 256
_PREFIX = "tidegate_"
_MADE_FORM = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_ONSALE_FORM = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SCRYPT_MEMORY = 128 * 1024 * 1024
_PROVEN_REMEMBERED = 64

log = structlog.get_logger(__name__)


class Role(StrEnum):
    """What a token may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SHOP = "shop"


class TokenEntry(BaseModel):
    """One line of the token file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    scrypt: (
        Annotated[str, Field(pattern=r"^\d{1,7}:\d{1,2}:\d{1,2}:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$")] | None
    ) = None
    """N:r:p:salt:key, the last two in base64."""
    onsales: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.sha256 is None) == (self.scrypt is None):
            raise ValueError("needs either sha256 or scrypt")
        if self.scrypt is not None:
            _scrypt(b"", self.scrypt)
        return self

    def may_see(self, onsale: str) -> bool:
        """Tell whether the token is good for this onsale."""
        return self.onsales is None or onsale in self.onsales


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it is shown once, and its entry for the file."""

    token: str
    entry: TokenEntry


def make_token(name: str, role: Role, onsales: Sequence[str] | None = None) -> NewToken:
    """Make a token of 256 random bits.

    Raises:
        ConfigurationError: the name, or that of an onsale, cannot be used.
    """
    for onsale in onsales or ():
        if not re.fullmatch(_ONSALE_FORM, onsale):
            raise ConfigurationError(
                f"onsale {onsale[:80]!r}: no name of an onsale: lower-case letters, digits and - only, up to 63"
            )
    token = _PREFIX + secrets.token_urlsafe(32)
    try:
        entry = TokenEntry(
            name=name,
            role=role,
            sha256=_digest(token),
            onsales=tuple(onsales) if onsales is not None else None,
        )
    except ValidationError as error:
        raise ConfigurationError(
            f"token name {name[:80]!r}: letters, digits and . _ @ - only, up to 64"
        ) from error
    return NewToken(token, entry)


class TokenFile:
    """The entries of a token file, as it stands now.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._entries = load_tokens(path)
        self._proven: Memo[TokenEntry] = Memo(_PROVEN_REMEMBERED)
        # One at a time: each takes up to 128 MiB.
        self._computing = asyncio.Semaphore(1)

    def find_made(self, token: str) -> TokenEntry | None:
        """Return the entry of a token that we made: of 256 random bits, so that as many as one likes may be tried."""
        self._reread()
        return self._find_hashed(_digest(token)) if _MADE_FORM.fullmatch(token) else None

    async def find(self, token: str) -> TokenEntry | None:
        """Return the entry whose token this is; whoever asks bounds how often, as people choose tokens that can be guessed."""
        self._reread()
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            return None
        digest = _digest(token)
        return self._find_hashed(digest) or self._proven.get(digest) or await self._find_slowly(token, digest)

    def _find_hashed(self, digest: str) -> TokenEntry | None:
        found = None
        for entry in self._entries:  # all of them, so that the time tells nothing
            if hmac.compare_digest(entry.sha256 or "", digest):
                found = entry
        return found

    async def _find_slowly(self, token: str, digest: str) -> TokenEntry | None:
        for entry in self._entries:
            if entry.scrypt is None:
                continue
            key = base64.b64decode(entry.scrypt.rpartition(":")[2])
            async with self._computing:
                made = await asyncio.to_thread(_scrypt, token.encode(), entry.scrypt)
            if hmac.compare_digest(key, made):
                self._proven.put(digest, entry)
                return entry
        return None

    def _reread(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = load_tokens(self._path)
        except ConfigurationError as error:
            log.warning("admin_tokens_kept", reason=str(error))
            return
        self._proven.clear()
        log.info("admin_tokens_read", file=str(self._path), tokens=len(self._entries))


def load_tokens(path: Path) -> tuple[TokenEntry, ...]:
    """Read a token file. Messages name the entry and the field, never what stands there.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(tuple[TokenEntry, ...]).validate_python(content or [])
    except OSError as error:
        reason = error.strerror or error
        raise ConfigurationError(
            f"token file {path}: {reason}; `tidegate onsale token NAME --add-to FILE` makes one"
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not YAML or JSON") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if not where:
            advice = "must be a list of tokens, each a line that `tidegate onsale token NAME` prints"
            raise ConfigurationError(f"{path}: {advice}") from error
        raise ConfigurationError(f"{path}: {where}: {first['msg']}") from error
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{path}: the name {name} is there twice")
    return entries


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(path: Path, entry: TokenEntry) -> None:
    """Add a line to a token file, which is made if it is not there; a running room reads it within a request.

    Raises:
        ConfigurationError: the file cannot be read or written, or has an entry of that name.
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
            except ConfigurationError as error:
                reason = str(error).partition(": ")[2]
                raise ConfigurationError(f"{path}: no line can be added: {reason}") from error
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror or error}") from error


def _scrypt(token: bytes, text: str) -> bytes:
    n, r, p, salt, key = text.split(":")
    try:
        return hashlib.scrypt(
            token,
            salt=base64.b64decode(salt, validate=True),
            n=int(n),
            r=int(r),
            p=int(p),
            maxmem=_SCRYPT_MEMORY,
            dklen=len(base64.b64decode(key, validate=True)),
        )
    except (ValueError, binascii.Error) as error:
        raise ValueError("not N:r:p:salt:key that can be computed in 128 MiB") from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
