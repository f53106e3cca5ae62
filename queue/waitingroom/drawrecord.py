"""The draw's public record, signed: seed, size and onsale, from which anybody can recompute every position.

A compact JWS by the pass key, so that the published JWKS checks it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey

from waitingroom.draw import Draw, make_draw
from waitingroom.errors import InvalidToken
from waitingroom.keyring import Keyring
from waitingroom.signatures import ALGORITHM, REGISTRY

VERSION = "tidegate draw v1"


@dataclass(frozen=True, slots=True)
class DrawRecord:
    """What was drawn: the pre-queues of `pool` (epoch and size of each, oldest first) as one, by `seed` (hex).

    The drawn stand in the line of the last epoch of the pool.
    """

    onsale: str
    pool: tuple[tuple[int, int], ...]
    seed: str
    algorithm: str = VERSION

    @property
    def size(self) -> int:
        """How many took part."""
        return sum(size for _, size in self.pool)


class DrawnPool:
    """A record with its permutation tabled: tells where a place that took part stands."""

    __slots__ = ("_draw", "_offsets", "epoch", "record")

    def __init__(self, record: DrawRecord) -> None:
        self.record = record
        self.epoch = record.pool[-1][0]
        self._draw: Draw = make_draw(bytes.fromhex(record.seed), record.onsale, record.size)
        self._offsets: dict[int, tuple[int, int]] = {}
        offset = 0
        for epoch, size in record.pool:
            self._offsets[epoch] = (offset, size)
            offset += size

    def position(self, epoch: int, number: int) -> int | None:
        """Return the drawn position of a place, None if it took no part."""
        offset, size = self._offsets.get(epoch, (0, 0))
        return self._draw.position(offset + number) if number <= size else None


def sign_record(record: DrawRecord, keyring: Keyring) -> str:
    """Encode and sign a record."""
    kid = keyring.signing_pass_kid
    payload = json.dumps(asdict(record), sort_keys=True, separators=(",", ":"))
    return jws.serialize_compact(
        {"alg": ALGORITHM, "kid": kid}, payload, keyring.pass_keys[kid], registry=REGISTRY
    )


def verify_record(text: str, keys: Mapping[str, OKPKey]) -> DrawRecord:
    """Return the record in `text` if one of `keys` signed it.

    Raises:
        InvalidToken: malformed, of an unknown key or algorithm, or wrongly signed.
    """

    def find_key(recipient: GuestProtocol) -> OKPKey:
        key = keys.get(str(recipient.headers().get("kid")))
        if key is None:
            raise InvalidToken("draw record: unknown key")
        return key

    try:
        fields = json.loads(jws.deserialize_compact(text, find_key, registry=REGISTRY).payload)
        pool = tuple((int(epoch), int(size)) for epoch, size in fields.pop("pool"))
        record = DrawRecord(pool=pool, **fields)
        bytes.fromhex(record.seed)
    except (JoseError, KeyError, ValueError, TypeError) as error:
        raise InvalidToken(f"draw record: {type(error).__name__}") from error
    if record.algorithm != VERSION or not record.pool:
        raise InvalidToken("draw record: unknown algorithm or empty")
    return record
