"""The place: a buyer's numbered spot in line as a signed token, kept by the buyer.

A token is base64url, without padding, of a canonical payload and its HMAC-SHA256. Every field of variable length carries its
length, so that no two different places share an encoding; a token has one spelling only. This module knows no clock, no cookie
and no store: whether a place's turn has come is `standing`'s matter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from waitingroom.errors import InvalidToken

_VERSION = 1
_WITH_ACCOUNT = 2
_MAC_BYTES = 32
_MAX_TOKEN_CHARS = 512
_NUMBERS = struct.Struct(">QQQI")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


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
    payload = _encode(place, kid.encode())
    mac = hmac.digest(key, payload, hashlib.sha256)
    return base64.urlsafe_b64encode(payload + mac).rstrip(b"=").decode("ascii")


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
    if not hmac.compare_digest(hmac.digest(key, payload, hashlib.sha256), mac):
        raise InvalidToken("place: wrong signature")
    if place.onsale != onsale:
        raise InvalidToken("place: of another onsale")
    return place


def session_id(place: Place, key: bytes) -> str:
    """Derive the session's id from the place and its generation, so that a repeated claim opens no second session."""
    text = _field(place.onsale.encode()) + _NUMBERS.pack(place.epoch, place.number, 0, place.generation)
    return base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)[:16]).rstrip(b"=").decode("ascii")


def _encode(place: Place, kid: bytes) -> bytes:
    numbers = _NUMBERS.pack(place.epoch, place.number, place.issued_at_ms, place.generation)
    version, account = (_WITH_ACCOUNT, _field(place.account.encode())) if place.account else (_VERSION, b"")
    return (
        bytes([version])
        + _field(kid)
        + _field(place.onsale.encode())
        + numbers
        + _field(place.device)
        + account
    )


def _field(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _decode_base64(token: str) -> bytes:
    if len(token) > _MAX_TOKEN_CHARS:
        raise InvalidToken("place: too long")
    try:
        text = token.encode("ascii")
        raw = binascii.a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise InvalidToken("place: not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text:
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
    (length,) = struct.unpack(">H", data[:2])
    if len(data) < 2 + length:
        raise InvalidToken("place: cut short")
    return data[2 : 2 + length], data[2 + length :]
