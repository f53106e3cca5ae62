"""What the audit log consists of: one entry an action, and one for what was refused. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that somebody did, or was refused, at `at_s` (Unix seconds); `about` is the service or onsale, or an address.

    `who` is the name of a token, and empty for a stranger; `client` is the address it came from, of IPv6 the /64. `outcome` is
    empty where it was done, else why not; with `unsure` it may have been done all the same, in part or whole. `times` above 1
    sums up what came so often within a minute; the rest of the entry is then that of the last.
    """

    at_s: float
    who: str
    what: str
    about: str
    detail: str
    outcome: str
    request_id: str
    client: str = ""
    times: int = 1
    unsure: bool = False


def write_entry(entry: Entry) -> str:
    """Encode for the store."""
    return json.dumps(asdict(entry))


def read_entry(text: str) -> Entry | None:
    """Decode an entry, of an earlier version too; None for what is none."""
    try:
        return Entry(**json.loads(text))
    except (TypeError, ValueError):
        return None
