"""Who may see and change what by the admin API and the console: the entries of a token file, which hold hashes only. Pure.

A file is a list (YAML or JSON) of `{name, role, sha256}` or `{name, role, scrypt}`, the latter for tokens that people chose;
`onsales: [...]` keeps a token to some onsales. Tokens that we made are too long to be guessed, and are found at once; others are
what limits on guessing are for. Comparisons take the same time whatever differs. It knows no files and no
requests: `tokenfile` follows a file, `tokencheck` checks what is presented, room and console each decide what an entry opens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rulebook.errors import RulebookError

MAX_TOKEN_CHARS: Final = 256
_PREFIX: Final = "tidegate_"
_MADE_FORM: Final = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_ONSALE_FORM: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SCRYPT_MEMORY: Final = 128 * 1024 * 1024


class TokenError(RulebookError, ValueError):
    """A token cannot be made as asked, or a token file cannot be used; the message never holds what stands in it."""


class Role(StrEnum):
    """What a token may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SHOP = "shop"


class TokenEntry(BaseModel):
    """One entry of a token file."""

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
            _derive(b"", self.scrypt)
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
        TokenError: the name, or that of an onsale, cannot be used.
    """
    for onsale in onsales or ():
        if not re.fullmatch(_ONSALE_FORM, onsale):
            raise TokenError(
                f"onsale {onsale[:80]!r}: no name of an onsale: lower-case letters, digits and - only, up to 63"
            )
    token = _PREFIX + secrets.token_urlsafe(32)
    kept_to = None if onsales is None else tuple(onsales)
    try:
        entry = TokenEntry(name=name, role=role, sha256=digest_of(token), onsales=kept_to)
    except ValidationError as error:
        raise TokenError(f"token name {name[:80]!r}: letters, digits and . _ @ - only, up to 64") from error
    return NewToken(token, entry)


def read_tokens(text: str) -> tuple[TokenEntry, ...]:
    """Read the text of a token file. Messages name the entry and the field, never what stands there.

    Raises:
        TokenError: it holds something else.
    """
    try:
        content = YAML(typ="safe").load(text)
        entries = TypeAdapter(tuple[TokenEntry, ...]).validate_python(content or [])
    except YAMLError as error:
        raise TokenError("not YAML or JSON") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if not where:
            advice = "must be a list of tokens, each a line that `tidegate onsale token NAME` prints"
            raise TokenError(advice) from error
        raise TokenError(f"{where}: {first['msg']}") from error
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise TokenError(f"the name {name} is there twice")
    return entries


def could_be_token(text: str) -> bool:
    """Tell whether it is worth comparing."""
    return 0 < len(text) <= MAX_TOKEN_CHARS and text.isascii()


def could_be_made(text: str) -> bool:
    """Tell whether it has the form of a token that we made: of 256 random bits, so that as many as one likes may be tried."""
    return _MADE_FORM.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """Return the hash by which a random token is known."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_by_digest(entries: Iterable[TokenEntry], digest: str) -> TokenEntry | None:
    """Return the entry with this hash; all are compared, so that the time tells nothing."""
    found = None
    for entry in entries:
        if hmac.compare_digest(entry.sha256 or "", digest):
            found = entry
    return found


def matches_slowly(entry: TokenEntry, token: str) -> bool:
    """Tell whether an entry with `scrypt` is of this token. It takes up to 128 MiB and about a second."""
    if entry.scrypt is None:
        return False
    key = base64.b64decode(entry.scrypt.rpartition(":")[2])
    return hmac.compare_digest(key, _derive(token.encode(), entry.scrypt))


def _derive(token: bytes, text: str) -> bytes:
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
