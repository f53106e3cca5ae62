"""An operator's word over a rule's document, given while it runs: pause it, pin it at a count, or have it only say what it would.

Pure. An override is kept with what the rule remembers until it is taken back. It never loosens a document: what a document
pauses or runs dry stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rulebook.rule import Paused, ScalingRule

MAX_REASON: Final = 300
"""Most characters of a reason, and of a name."""
_MAX_TIME_S: Final = 1e11
_MAX_COUNT: Final = 2**31


class OverrideMode(StrEnum):
    """What an operator can have a rule do instead of what its document says."""

    PAUSED = "paused"
    PINNED = "pinned"
    DRY_RUN = "dryRun"


@dataclass(frozen=True, slots=True)
class Override:
    """What, by whom, since when and why; `replicas` is the count of a pinned rule, and None otherwise.

    Raises:
        ValueError: it cannot be one.
    """

    mode: OverrideMode
    who: str
    at_s: float
    replicas: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Check what is kept and shown."""
        if (self.mode is OverrideMode.PINNED) != (self.replicas is not None):
            raise ValueError("a count goes with a pinned rule, and with no other")
        if self.replicas is not None and not 0 <= self.replicas <= _MAX_COUNT:
            raise ValueError("not a number of replicas")
        if len(self.reason) > MAX_REASON or len(self.who) > MAX_REASON:
            raise ValueError(f"longer than {MAX_REASON} characters")
        if not abs(self.at_s) <= _MAX_TIME_S:
            raise ValueError("not a time")


def overridden(rule: ScalingRule, override: Override | None) -> ScalingRule:
    """Return the rule as it is run; the very same one where there is no override."""
    if override is None:
        return rule
    match override.mode:
        case OverrideMode.PAUSED:
            # A document which pins the rule has said where; a pause holds it there.
            changed: dict[str, Any] = {"paused": rule.spec.paused or True}
        case OverrideMode.PINNED:
            changed = {"paused": Paused(replicas=override.replicas or 0)}
        case OverrideMode.DRY_RUN:
            changed = {"dry_run": True}
    return rule.model_copy(update={"spec": rule.spec.model_copy(update=changed)})


def write_override(override: Override | None) -> list[Any] | None:
    """Encode for JSON."""
    if override is None:
        return None
    return [override.mode.value, override.replicas, override.who, override.at_s, override.reason]


def read_override(value: Sequence[Any] | None) -> Override | None:
    """Decode what `write_override` encoded.

    Raises:
        TypeError, ValueError, IndexError: it is not that.
    """
    if value is None:
        return None
    mode, replicas, who, at_s, reason = value
    if not isinstance(who, str) or not isinstance(reason, str):
        raise TypeError
    if replicas is not None and (not isinstance(replicas, int) or isinstance(replicas, bool)):
        raise TypeError
    if not isinstance(at_s, int | float) or isinstance(at_s, bool):
        raise TypeError
    return Override(OverrideMode(mode), who, float(at_s), replicas, reason)
