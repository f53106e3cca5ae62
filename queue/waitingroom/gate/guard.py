"""Which onsale guards a request, by host and path; pure.

The longest matching path wins, a rule with a host before one without. `bypass` paths of that onsale go through unchecked. Paths
match by whole segments (`/cactus` guards `/cactus/tickets`, not `/cactusfest`) after percent-decoding and resolving dots, so that
no spelling of a path leads around the gate.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from rulebook import Onsale

_MAX_DECODES = 3


@dataclass(frozen=True, slots=True)
class Guarded:
    """One guarded part of a shop."""

    host: str | None
    path: str
    onsale: Onsale


class Guard:
    """The guarded parts of all onsales."""

    def __init__(self, onsales: Iterable[Onsale]) -> None:
        parts = [
            Guarded(part.host.lower() if part.host else None, canonical_path(part.path), onsale)
            for onsale in onsales
            for part in onsale.spec.protect
        ]
        self._parts = sorted(parts, key=lambda part: (-len(part.path), part.host is None))

    def find(self, method: str, host: str, path: str) -> Onsale | None:
        """Return the onsale whose pass this request needs, None where the way is free."""
        name = host.partition(":")[0].lower() if not host.startswith("[") else host.lower()
        path = canonical_path(path)
        for part in self._parts:
            if (part.host is None or part.host == name) and _is_under(path, part.path):
                return None if _bypasses(part.onsale, method, path) else part.onsale
        return None


def canonical_path(path: str) -> str:
    """Decode and normalise a path for matching; a path that still changes after three decodings stays as it is then."""
    for _ in range(_MAX_DECODES):
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    path = posixpath.normpath("/" + path.replace("\\", "/"))
    return "/" + path.lstrip("/")


def _is_under(path: str, prefix: str) -> bool:
    return prefix == "/" or path == prefix or path.startswith(prefix + "/")


def _bypasses(onsale: Onsale, method: str, path: str) -> bool:
    return any(
        _is_under(path, canonical_path(rule.path)) and (rule.methods is None or method in rule.methods)
        for rule in onsale.spec.bypass
    )
