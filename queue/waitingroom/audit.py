"""The audit log: who changed what of an onsale, from what to what, by which request.

An entry stands in the store with the change itself (one script writes both), and in this process's log. No secret is in it: a
caller is known by the name which the token file gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from rulebook.coupling import US_PER_S

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody asks for: who (the name of the token), what (the action's name), by which request."""

    who: str
    what: str
    request_id: str

    def to_json(self) -> str:
        """Encode for the script, which adds the time and the values before and after."""
        return json.dumps({"who": self.who, "what": self.what, "request_id": self.request_id})


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change that was made, at store time `at_s`. `before` and `after` hold the fields which it touched."""

    at_s: float
    who: str
    what: str
    onsale: str
    request_id: str
    before: Mapping[str, str]
    after: Mapping[str, str]


def read_entry(onsale: str, text: str) -> AuditEntry:
    """Decode what `operate.lua` wrote.

    Raises:
        ValueError: not such an entry.
    """
    try:
        fields = json.loads(text)
        return AuditEntry(
            at_s=int(fields["at_us"]) / US_PER_S,
            who=fields["who"],
            what=fields["what"],
            onsale=onsale,
            request_id=fields["request_id"],
            before=dict(fields["before"]),
            after=dict(fields["after"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an audit entry: {text[:80]!r}") from error


def log_entry(entry: AuditEntry) -> None:
    """Say in this process's log what was changed."""
    log.info(
        "onsale_changed",
        who=entry.who,
        what=entry.what,
        onsale=entry.onsale,
        before=dict(entry.before),
        after=dict(entry.after),
        request_id=entry.request_id,
    )
