"""The secrets of a room, as values: which key signs, which verify, and what is derived from them.

Reading them from a folder is `keyfiles`' job. A key is named by its `kid`; the newest name (in sorted order) signs, all verify.
A key that is young only verifies as yet: other processes may not have read it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from joserfc.jwk import OKPKey


@dataclass(eq=False)
class Keyring:
    """Place keys (HMAC, 32 bytes or more), pass keys (Ed25519) and draw seeds (32 bytes, by onsale).

    One keyring is shared by all who sign and verify in a process; only `adopt` changes it.

    Attributes:
        young_places, young_passes: `kid`s which do not sign yet; never all of them.
        changes: how often other keys were adopted; what was remembered as verified before holds no longer.
    """

    place_keys: Mapping[str, bytes]
    pass_keys: Mapping[str, OKPKey]
    draw_seeds: Mapping[str, bytes]
    young_places: frozenset[str] = frozenset()
    young_passes: frozenset[str] = frozenset()
    changes: int = 0

    def adopt(self, other: Keyring) -> None:
        """Work by the keys of `other` from now on."""
        if self._secrets() != other._secrets():
            self.changes += 1
        self.place_keys, self.pass_keys, self.draw_seeds = other.place_keys, other.pass_keys, other.draw_seeds
        self.young_places, self.young_passes = other.young_places, other.young_passes
        for derived in ("signing_place_kid", "signing_pass_kid", "session_key", "tag_key"):
            self.__dict__.pop(derived, None)

    @cached_property
    def signing_place_kid(self) -> str:
        """Name the key which signs new places."""
        return max(self.place_keys.keys() - self.young_places)

    @cached_property
    def signing_pass_kid(self) -> str:
        """Name the key which signs new passes."""
        return max(self.pass_keys.keys() - self.young_passes)

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

    def _secrets(self) -> tuple[object, ...]:
        passes = {kid: key.as_dict(private=key.is_private) for kid, key in self.pass_keys.items()}
        return dict(self.place_keys), passes, dict(self.draw_seeds)
