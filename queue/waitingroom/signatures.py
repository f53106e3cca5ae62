"""The one signature algorithm of passes and draw records, pinned: EdDSA over Ed25519.

RFC 9864 would rather see it called `Ed25519`; the libraries with which shops check passes know `EdDSA`, so that name stays.
"""

from __future__ import annotations

from typing import Any

from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

ALGORITHM = "EdDSA"


class PinnedRegistry(JWSRegistry):
    """Knows EdDSA and nothing else, and doesn't warn of its older name."""

    def get_alg(self, name: str) -> Any:
        """Return the algorithm.

        Raises:
            UnsupportedAlgorithmError: any other name.
        """
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[ALGORITHM]


REGISTRY = PinnedRegistry()
