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
    """What was drawn: the pre-queue of `epoch` with `size` buyers, by `seed` (hex)."""

    onsale: str
    epoch: int
    size: int
    seed: str
    algorithm: str = VERSION

    def draw(self) -> Draw:
        """Table the permutation of this record."""
        return make_draw(bytes.fromhex(self.seed), self.onsale, self.size)


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
        record = DrawRecord(**fields)
        bytes.fromhex(record.seed)
    except (JoseError, ValueError, TypeError) as error:
        raise InvalidToken(f"draw record: {type(error).__name__}") from error
    if record.algorithm != VERSION:
        raise InvalidToken("draw record: unknown algorithm")
    return record
