"""The room's Lua scripts, read once from package resources; the parts they share are put before each."""

from __future__ import annotations

from functools import cache
from importlib import resources

_PARTS: dict[str, tuple[str, ...]] = {
    "enter": ("common", "bucket", "epochs", "report"),
    "configure": ("common", "bucket", "report"),
    "advance": ("common", "bucket", "epochs", "holders", "report"),
    "join": ("common", "numbers"),
    "enrol": ("common", "numbers", "holders"),
    "claim": ("common", "bucket", "holders"),
    "move": ("common", "holders"),
    "restore": ("common", "holders"),
    "sessions": ("common",),
    "handover": ("common",),
    "operate": ("common", "bucket"),
    "draw": (),
}
LOADED = tuple(name for name in _PARTS if name != "enter")
"""The scripts run by their digest; `enter` is sent whole, as it is what a server without them is asked first."""


@cache
def script_source(name: str) -> str:
    """Return the whole text of a script.

    Raises:
        KeyError: there is no script of this name.
    """
    folder = resources.files("waitingroom.store") / "scripts"
    parts = (*_PARTS[name], name)
    return "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
