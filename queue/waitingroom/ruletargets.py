"""What a rule of the scaler has told the room, as the store keeps it: read for operators alone, the bucket reads it by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rulebook.coupling import US_PER_S


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """A segment of an admission target (`rulebook.coupling.targets_key`); times in Unix seconds of the store's clock.

    `capacity` bounds live sessions + released-unclaimed; None for no bound by this rule. One that is `withdrawn` takes back what
    the rule has said before.
    """

    rule: str
    from_s: float
    until_s: float
    rate_per_s: float
    capacity: int | None
    withdrawn: bool = False


def read_target(text: str) -> RuleTarget:
    """Decode what the scaler wrote.

    Raises:
        ValueError: not such a segment.
    """
    try:
        fields = json.loads(text)
        return RuleTarget(
            rule=str(fields["rule"]),
            from_s=int(fields["from_us"]) / US_PER_S,
            until_s=int(fields["until_us"]) / US_PER_S,
            rate_per_s=float(fields["rate"]),
            capacity=int(fields["capacity"]) if fields["capacity"] else None,
            withdrawn=fields.get("withdrawn") == "1",
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a target segment: {text[:80]!r}") from error
