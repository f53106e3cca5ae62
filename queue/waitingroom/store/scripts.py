"""The room's Lua scripts, read once from package resources; the parts they share are put before each."""

from __future__ import annotations

from functools import cache
from importlib import resources

_PARTS: dict[str, tuple[str, ...]] = {
    "configure": ("common", "bucket", "report"),
    "advance": ("common", "bucket", "report"),
    "join": ("common",),
    "claim": ("common", "bucket"),
    "sessions": ("common",),
    "draw": (),
}


@cache
def script_source(name: str) -> str:
    """Return the whole text of a script.

    Raises:
        KeyError: there is no script of this name.
    """
    folder = resources.files("waitingroom.store") / "scripts"
    parts = (*_PARTS[name], name)
    return "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
