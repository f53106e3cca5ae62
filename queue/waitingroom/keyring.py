"""The secrets of a room, as values: which key signs, which verify, and what is derived from them.

Reading them from a folder is `keyfiles`' job. A key is named by its `kid`; the newest name (in sorted order) signs, all verify.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from joserfc.jwk import OKPKey


@dataclass(frozen=True)
class Keyring:
    """Place keys (HMAC, 32 bytes or more), pass keys (Ed25519) and draw seeds (32 bytes, by onsale)."""

    place_keys: Mapping[str, bytes]
    pass_keys: Mapping[str, OKPKey]
    draw_seeds: Mapping[str, bytes]

    @cached_property
    def signing_place_kid(self) -> str:
        """Name the key which signs new places."""
        return max(self.place_keys)

    @cached_property
    def signing_pass_kid(self) -> str:
        """Name the key which signs new passes."""
        return max(self.pass_keys)

    @cached_property
    def session_key(self) -> bytes:
        """Derive the key of session ids from the oldest place key, so that adding a key changes no session."""
        return hmac.digest(self.place_keys[min(self.place_keys)], b"tidegate session id v1", hashlib.sha256)

    @cached_property
    def tag_key(self) -> bytes:
        """Derive the key of `tags` from the oldest place key, so that adding a key gives no account a second place."""
        return hmac.digest(self.place_keys[min(self.place_keys)], b"tidegate tags v1", hashlib.sha256)

    def commitment(self, onsale: str) -> str | None:
        """Hash the draw's seed (hex SHA-256): published before the opening, so that the seed cannot be changed after."""
        seed = self.draw_seeds.get(onsale)
        return hashlib.sha256(seed).hexdigest() if seed else None
