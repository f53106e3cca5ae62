"""The paths on the shop's own host which are ours, never the shop's: proxies route them to the room; pure."""

from __future__ import annotations

RESERVED = "/.tidegate/"
ENTER_PATH = "/.tidegate/enter"


def is_reserved(path: str) -> bool:
    """Tell whether a raw path, without query, is one of ours."""
    return path.startswith(RESERVED)
