"""How the keeping of one rule's memory stands, as a frozen value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MemoryState:
    """What is known of a memory's keeping: `origin` says what came of recalling it, `error` why the newest is not kept."""

    where: str
    origin: str
    saved_at_s: float | None = None
    error: str = ""


NOT_KEPT: Final = MemoryState("nowhere", "not kept beyond this process")
