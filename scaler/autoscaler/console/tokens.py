"""Who may sign in: the token file, in the form of the room's admin API, and the check of a presented token.

A list (YAML or JSON) of `{name, role, sha256}` or `{name, role, scrypt}`. `onsales` keeps a token to single onsales of the room;
such a token, and one of role `shop`, does not open the console, which shows everything. Tokens that the command line made are
too long to be guessed, and are found at once; others are what limits on guessing are for. A file which has changed is read again;
one that cannot be used any more leaves the last good one in force.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from autoscaler.errors import ConfigurationError

MAX_TOKEN: Final = 256
_MADE_FORM: Final = re.compile(r"tidegate_[A-Za-z0-9_-]{43}")
_SCRYPT_MEMORY: Final = 128 * 1024 * 1024

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


class Role(StrEnum):
    """What a token may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SHOP = "shop"


class TokenEntry(BaseModel):
    """One entry of the file; it holds no secret."""

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

    @property
    def opens_console(self) -> bool:
        """Whether the holder may see everything."""
        return self.role is not Role.SHOP and self.onsales is None

    @property
    def may_act(self) -> bool:
        """Whether the holder may change something."""
        return self.opens_console and self.role is Role.OPERATOR


class TokenFile:
    """The entries of a token file, as it stands now.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._entries = load_tokens(path)
        # One at a time: each takes up to 128 MiB.
        self._computing = asyncio.Semaphore(1)

    def find_made(self, token: str) -> TokenEntry | None:
        """Return the entry of a token that we made: of 256 random bits, so that as many as one likes may be tried."""
        self._reread()
        return self._find_hashed(token) if _MADE_FORM.fullmatch(token) else None

    async def find(self, token: str) -> TokenEntry | None:
        """Return the entry whose token this is; how long that takes does not tell which it is."""
        self._reread()
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        found = self._find_hashed(token)
        for entry in self._entries:
            if entry.scrypt is None or found is not None:
                continue
            key = base64.b64decode(entry.scrypt.rpartition(":")[2])
            async with self._computing:
                made = await asyncio.to_thread(_scrypt, token.encode(), entry.scrypt)
            if hmac.compare_digest(key, made):
                found = entry
        return found

    def _find_hashed(self, token: str) -> TokenEntry | None:
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for entry in self._entries:  # all of them, so that the time tells nothing
            if hmac.compare_digest(entry.sha256 or "", digest):
                found = entry
        return found

    def still_holds(self, entry: TokenEntry) -> bool:
        """Tell whether an entry stands in the file as it did: who is taken out of it, is out at once."""
        self._reread()
        return entry in self._entries

    def _reread(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = load_tokens(self._path)
        except ConfigurationError as error:
            _log.warning("console tokens kept", reason=str(error))
        else:
            _log.info("console tokens read", file=str(self._path), tokens=len(self._entries))


def load_tokens(path: Path) -> tuple[TokenEntry, ...]:
    """Read a token file. Messages name the entry and the field, never what stands there.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(tuple[TokenEntry, ...]).validate_python(content or [])
    except OSError as error:
        raise ConfigurationError(f"console tokens {path}: {error.strerror or error}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"console tokens {path}: not YAML or JSON") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"console tokens {path}: {where or 'file'}: {first['msg']}") from error
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"console tokens {path}: the name {name} is there twice")
    return entries


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
