"""The draw's public record, signed: seed, size, onsale and beacon, from which anybody can recompute every position.

A compact JWS by the pass key, so that the published JWKS checks it. Who publishes it, and when, is the room's matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey

from waitingroom.draw import Draw, make_draw, mix_beacon
from waitingroom.errors import InvalidToken
from waitingroom.keyring import Keyring
from waitingroom.signatures import ALGORITHM, REGISTRY

VERSION = "tidegate draw v1"
VERSION_WITH_BEACON = "tidegate draw v1 with beacon"


@dataclass(frozen=True, slots=True)
class Beacon:
    """A public source which was announced before anybody joined, and its value, given at the opening."""

    source: str
    value: str


@dataclass(frozen=True, slots=True)
class DrawRecord:
    """What was drawn: the pre-queues of `pool` (epoch and size of each, oldest first) as one, by `seed` (hex) and beacon.

    The drawn stand in the line of the last epoch of the pool. `opens_at_s` is the opening which the document named,
    `drawn_at_s` the store's time when the record was signed.
    """

    onsale: str
    pool: tuple[tuple[int, int], ...]
    seed: str
    beacon: Beacon | None = None
    opens_at_s: float = 0.0
    drawn_at_s: float = 0.0

    @property
    def size(self) -> int:
        """How many took part."""
        return sum(size for _, size in self.pool)

    @property
    def algorithm(self) -> str:
        """Name how positions follow from the record."""
        return VERSION_WITH_BEACON if self.beacon else VERSION

    @property
    def commitment(self) -> str:
        """The seed's hash, to be compared with the one that was announced."""
        return hashlib.sha256(bytes.fromhex(self.seed)).hexdigest()

    @property
    def key(self) -> bytes:
        """The key of the permutation: the seed, with the beacon mixed in if there is one."""
        seed = bytes.fromhex(self.seed)
        if self.beacon is None:
            return seed
        return mix_beacon(seed, self.onsale, self.beacon.source, self.beacon.value)


class DrawnPool:
    """A record with its permutation tabled: tells where a place that took part stands."""

    __slots__ = ("_draw", "_offsets", "epoch", "record")

    def __init__(self, record: DrawRecord) -> None:
        self.record = record
        self.epoch = record.pool[-1][0]
        self._draw: Draw = make_draw(record.key, record.onsale, record.size)
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
    fields: dict[str, Any] = {
        "algorithm": record.algorithm,
        "onsale": record.onsale,
        "pool": record.pool,
        "seed": record.seed,
        "opens": record.opens_at_s,
        "drawn_at": record.drawn_at_s,
    }
    if record.beacon is not None:
        fields["beacon"] = {"source": record.beacon.source, "value": record.beacon.value}
    payload = json.dumps(fields, sort_keys=True, separators=(",", ":"))
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
        beacon = fields.get("beacon")
        record = DrawRecord(
            onsale=str(fields["onsale"]),
            pool=tuple((int(epoch), int(size)) for epoch, size in fields["pool"]),
            seed=str(fields["seed"]),
            beacon=Beacon(str(beacon["source"]), str(beacon["value"])) if beacon else None,
            opens_at_s=float(fields.get("opens", 0.0)),
            drawn_at_s=float(fields.get("drawn_at", 0.0)),
        )
        bytes.fromhex(record.seed)
        algorithm = fields["algorithm"]
    except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidToken(f"draw record: {type(error).__name__}") from error
    if algorithm != record.algorithm or not record.pool:
        raise InvalidToken("draw record: unknown algorithm or empty")
    return record
