"""The place: a buyer's numbered spot in line as a signed token, kept by the buyer.

A token is base64url, without padding, of a canonical payload and its HMAC-SHA256. Every field of variable length carries its
length, so that no two different places share an encoding; a token has one spelling only. This module knows no clock, no cookie
and no store: whether a place's turn has come is `standing`'s matter.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from waitingroom.errors import InvalidToken

_VERSION = 1
_WITH_ACCOUNT = 2
_MAC_BYTES = 32
_MAX_TOKEN_CHARS = 512
_NUMBERS = struct.Struct(">QQQI")
_LENGTH = struct.Struct(">H")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Place:
    """A numbered spot: `number` counts from 1 in its `epoch` (milliseconds; grows when the store lost its data).

    `device` is the nonce of the device that holds it; `generation` counts its moves from device to device, and the highest one
    counts. `account` is the tag of the account whose only place this is, '' where anybody may join.
    """

    onsale: str
    epoch: int
    number: int
    issued_at_ms: int
    device: bytes
    generation: int = 0
    account: str = ""


def sign_place(place: Place, kid: str, key: bytes) -> str:
    """Encode and sign a place."""
    payload = _encode(place, kid)
    return _to_text(payload + _mac(key, payload))


def verify_place(token: str, onsale: str, keys: Mapping[str, bytes]) -> Place:
    """Return the place in `token` if one of our keys signed it for this onsale.

    Raises:
        InvalidToken: malformed, another onsale's, an unknown key's, or a wrong signature.
    """
    raw = _decode_base64(token)
    payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    kid, place = _decode(payload)
    key = keys.get(kid)
    if key is None:
        raise InvalidToken("place: unknown key")
    if not hmac.compare_digest(_mac(key, payload), mac):
        raise InvalidToken("place: wrong signature")
    if place.onsale != onsale:
        raise InvalidToken("place: of another onsale")
    return place


def session_id(place: Place, key: bytes) -> str:
    """Derive the session's id from the place and its generation, so that a repeated claim opens no second session."""
    text = _field(place.onsale.encode()) + _NUMBERS.pack(place.epoch, place.number, 0, place.generation)
    return _to_text(_mac(key, text)[:16])


def _encode(place: Place, kid: str) -> bytes:
    numbers = _NUMBERS.pack(place.epoch, place.number, place.issued_at_ms, place.generation)
    if place.account:
        return (
            _head(kid, place.onsale, _WITH_ACCOUNT)
            + numbers
            + _field(place.device)
            + _field(place.account.encode())
        )
    return _head(kid, place.onsale) + numbers + _field(place.device)


@lru_cache(maxsize=256)
def _head(kid: str, onsale: str, version: int = _VERSION) -> bytes:
    """Encode what all places of an onsale begin with."""
    return bytes([version]) + _field(kid.encode()) + _field(onsale.encode())


def _mac(key: bytes, message: bytes) -> bytes:
    keyed = _keyed(key).copy()
    keyed.update(message)
    return keyed.digest()


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hmac.HMAC:
    """Take in the key, which is half the work of a short message."""
    return hmac.new(key, digestmod=hashlib.sha256)


def _field(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def _to_text(raw: bytes) -> str:
    """Write base64url without padding."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _decode_base64(token: str) -> bytes:
    if len(token) > _MAX_TOKEN_CHARS:
        raise InvalidToken("place: too long")
    try:
        text = token.encode("ascii")
        raw = binascii.a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise InvalidToken("place: not base64url") from error
    if _to_text(raw) != token:
        raise InvalidToken("place: not in canonical form")
    return raw


def _decode(payload: bytes) -> tuple[str, Place]:
    if not payload or payload[0] not in {_VERSION, _WITH_ACCOUNT}:
        raise InvalidToken("place: unknown version")
    try:
        kid, rest = _take(payload[1:])
        onsale, rest = _take(rest)
        epoch, number, issued_at_ms, generation = _NUMBERS.unpack(rest[: _NUMBERS.size])
        device, rest = _take(rest[_NUMBERS.size :])
        account, rest = _take(rest) if payload[0] == _WITH_ACCOUNT else (b"", rest)
        if rest:
            raise InvalidToken("place: bytes left over")
        if payload[0] == _WITH_ACCOUNT and not account:
            raise InvalidToken("place: of no account")
        place = Place(onsale.decode(), epoch, number, issued_at_ms, device, generation, account.decode())
        return kid.decode(), place
    except (struct.error, UnicodeDecodeError) as error:
        raise InvalidToken("place: malformed") from error


def _take(data: bytes) -> tuple[bytes, bytes]:
    (length,) = _LENGTH.unpack(data[:2])
    if len(data) < 2 + length:
        raise InvalidToken("place: cut short")
    return data[2 : 2 + length], data[2 + length :]
