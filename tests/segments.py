"""Segments of admission targets as they stand in the store: what the scaler's script writes there, and the room's read."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TargetSegment:
    """One segment, as `rulebook.coupling.targets_key` describes it; a `capacity` of None is no bound."""

    rule: str
    from_us: int
    until_us: int
    rate_per_s: float
    capacity: int | None
    reason: str
    term: int
    withdrawn: bool = False

    def to_json(self) -> str:
        """Encode as the writer's script does."""
        return json.dumps(
            {
                "rule": self.rule,
                "from_us": str(self.from_us),
                "until_us": str(self.until_us),
                "rate": repr(self.rate_per_s),
                "capacity": "" if self.capacity is None else str(self.capacity),
                "reason": self.reason,
                "term": str(self.term),
            }
            | ({"withdrawn": "1"} if self.withdrawn else {}),
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> TargetSegment:
        """Decode what the writer's script encoded."""
        fields = json.loads(text)
        return cls(
            rule=fields["rule"],
            from_us=int(fields["from_us"]),
            until_us=int(fields["until_us"]),
            rate_per_s=float(fields["rate"]),
            capacity=int(fields["capacity"]) if fields["capacity"] else None,
            reason=fields["reason"],
            term=int(fields["term"]),
            withdrawn="withdrawn" in fields,
        )
