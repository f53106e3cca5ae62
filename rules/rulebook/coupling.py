"""What the room and the scaler tell each other through the store: names of keys and fields, and the values they carry.

The two packages never import each other; they agree on this module alone. It knows formats, and no client of the store.
Numbers travel as decimal strings, times as whole microseconds of the *store's* clock (`TIME`), the only clock that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

US_PER_S = 1_000_000


def figures_key(onsale: str) -> str:
    """Name the hash in which the room publishes its figures, written about twice a second."""
    return f"{{{onsale}}}:figures"


def targets_key(onsale: str) -> str:
    """Name the list of admission-target segments, JSON objects, oldest first, which the scaler appends to.

    A segment is in force from `from_us` until `until_us`, unless a later one of the same `rule` begins. `rate` is in buyers/s;
    `capacity` bounds live sessions + released-unclaimed ("": no bound by this rule); `reason` is for people; `term` is the
    writer's lease transitions: a segment of a lower term than one already there is refused. Numbers are strings, because a Lua
    `cjson` keeps only 14 digits of a number. A segment with `withdrawn` "1" takes back what the rule has said: from its beginning
    on the rule counts no more, until a later segment of it begins. Optional are `outlook` (`rulebook.outlook`: what the rule
    expects of its rate, "" for nothing) and `outlook_us`, when that was told: no release depends on them, only the waits which
    buyers are told.
    """
    return f"{{{onsale}}}:targets"


def terms_key(onsale: str) -> str:
    """Name the hash of the terms which the scaler's leaders have reached, a field a rule; only the scaler uses it."""
    return f"{{{onsale}}}:terms"


@dataclass(frozen=True, slots=True)
class RoomFigures:
    """What the room knows of one onsale at store time `at_s`.

    `waiting` counts places issued and not yet released (before the opening: the pre-queue); `late` counts late buyers
    whose claim is registered. Both are 0 once the onsale has closed or sold out: those left over will not be released.
    Rates are means over the last few seconds.
    """

    at_s: float
    waiting: int
    late: int
    tail: int
    released: int
    claimed: int
    sessions: int
    arrivals_per_s: float
    released_per_s: float
    claimed_per_s: float
    opens_at_s: float | None

    @classmethod
    def from_hash(cls, fields: Mapping[str, str]) -> RoomFigures | None:
        """Read the published hash; None where nothing has been published yet.

        Raises:
            ValueError: a field is not a number.
        """
        if "at_us" not in fields:
            return None
        opens_us = int(fields.get("opens_us") or 0)
        return cls(
            at_s=int(fields["at_us"]) / US_PER_S,
            waiting=int(fields["waiting"]),
            late=int(fields["late"]),
            tail=int(fields["tail"]),
            released=int(fields["released"]),
            claimed=int(fields["claimed"]),
            sessions=int(fields["sessions"]),
            arrivals_per_s=float(fields["arrivals_per_s"]),
            released_per_s=float(fields["released_per_s"]),
            claimed_per_s=float(fields["claimed_per_s"]),
            opens_at_s=opens_us / US_PER_S if opens_us else None,
        )
