"""The entry token: a JWT with which the shop tells the room whom it may let into the line of a presale.

Algorithms are pinned, and each goes with one kind of key only. Pure: keys and the time come in. It doesn't know how the token was
brought, nor whether its subject has a place already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ExpiredTokenError,
    InvalidClaimError,
    JoseError,
    MissingClaimError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import ECKey, GuestProtocol, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import base64_to_int

from waitingroom.errors import EntryRefused

SKEW_S = 30
MAX_SUBJECT_CHARS = 256
MAX_TOKEN_CHARS = 3072
"""What fits into a cookie with room to spare."""
MIN_RSA_BITS = 2048

EntryKey = OKPKey | ECKey | RSAKey
_KINDS: Mapping[str, tuple[str, str | None]] = {
    "EdDSA": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", None),
}
_FORM = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_REASONS = {"iss": "issuer", "aud": "audience", "sub": "subject", "nbf": "not_yet", "iat": "not_yet"}


class _Registry(JWSRegistry):
    """Knows some of our three algorithms and nothing else, and doesn't warn of EdDSA's older name."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name[:20]}' is not allowed")
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class EntryTerms:
    """What a token must say to count, and how it may be signed."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryToken:
    """A token that counts: the shop's name for the account, and until when it does (unix seconds)."""

    subject: str
    expires_at_s: float


def read_entry_keys(document: object) -> dict[str, EntryKey]:
    """Return the keys of a JWKS document that may sign entry tokens, by `kid`; one without a `kid` is called ''.

    Keys for other uses, of other kinds and too small ones are left aside.

    Raises:
        ValueError: it is no JWKS document, holds no such key, a private one, or two of one name.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JSON Web Key Set")
    keys: dict[str, EntryKey] = {}
    for entry in listed:
        if not isinstance(entry, dict):
            continue
        if "d" in entry or entry.get("kty") == "oct":
            raise ValueError("holds a secret key; publish the public halves only, and make a new pair")
        key = _read_key(entry)
        if key is None:
            continue
        kid = entry.get("kid", "")
        if not isinstance(kid, str) or kid in keys:
            raise ValueError("two keys without a kid of their own")
        keys[kid] = key
    if not keys:
        raise ValueError(
            "holds no public key for EdDSA (Ed25519), ES256 (P-256) or RS256 (2048 bits or more)"
        )
    return keys


def verify_entry(token: str, keys: Mapping[str, EntryKey], terms: EntryTerms, now_s: float) -> EntryToken:
    """Return what `token` says if one of the shop's keys signed it for this onsale and its time has come.

    Raises:
        EntryRefused: it doesn't count; `reason` says why.
    """
    if len(token) > MAX_TOKEN_CHARS or not _FORM.fullmatch(token):
        raise EntryRefused("malformed")

    def find_key(recipient: GuestProtocol) -> EntryKey:
        header = recipient.headers()
        if "crit" in header or "b64" in header:
            raise EntryRefused("malformed")
        return _key_for(header, keys)

    claimed: dict[str, jwt.ClaimsOption] = {
        "iss": {"essential": True, "value": terms.issuer},
        "aud": {"essential": True, "value": terms.audience},
        "sub": {"essential": True},
        "exp": {"essential": True},
    }
    try:
        claims = jwt.decode(token, find_key, registry=_Registry(algorithms=terms.algorithms)).claims
        jwt.JWTClaimsRegistry(int(now_s), SKEW_S, **claimed).validate(claims)
    except ExpiredTokenError as error:
        raise EntryRefused("expired") from error
    except (InvalidClaimError, MissingClaimError) as error:
        raise EntryRefused(_REASONS.get(error.claim, "malformed")) from error
    except UnsupportedAlgorithmError as error:
        raise EntryRefused("algorithm") from error
    except BadSignatureError as error:
        raise EntryRefused("signature") from error
    except (JoseError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise EntryRefused("malformed") from error
    subject = claims["sub"]
    if len(subject) > MAX_SUBJECT_CHARS or not subject.isprintable():
        raise EntryRefused("subject")
    return EntryToken(subject, float(min(claims["exp"], 2**53)))


def _read_key(entry: dict[str, Any]) -> EntryKey | None:
    kind, curve = entry.get("kty"), entry.get("crv")
    algorithm = next((name for name, wanted in _KINDS.items() if wanted == (kind, curve)), None)
    if algorithm is None or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    if "verify" not in entry.get("key_ops", ["verify"]):
        return None
    try:
        if kind == "OKP":
            return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": entry["x"]})
        if kind == "EC":
            return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": entry["x"], "y": entry["y"]})
        if base64_to_int(entry["n"]).bit_length() < MIN_RSA_BITS:
            return None
        return RSAKey.import_key({"kty": "RSA", "n": entry["n"], "e": entry["e"]})
    except (JoseError, KeyError, ValueError, TypeError):
        return None


def _key_for(header: Mapping[str, Any], keys: Mapping[str, EntryKey]) -> EntryKey:
    """Find the key which a header names; a header may name none where there is but one key."""
    kid = header.get("kid")
    if kid is None and len(keys) == 1:
        (key,) = keys.values()
    else:
        found = keys.get(kid) if isinstance(kid, str) else None
        if found is None:
            raise EntryRefused("unknown_key", kid if isinstance(kid, str) else None)
        key = found
    if _KINDS[header["alg"]][0] != key.key_type:
        raise EntryRefused("algorithm")
    return key
