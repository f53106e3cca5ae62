"""Reads server-sent events from lines, and what the room's feed says in them; pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from waitingroom.gate.hours import Hours

MAX_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Hello:
    """The feed is connected."""


@dataclass(frozen=True, slots=True)
class Over:
    """A session was ended before its time; `id` is where in the feed this stands."""

    session: str
    id: str


@dataclass(frozen=True, slots=True)
class Told:
    """When an onsale guards its shop, from now on."""

    onsale: str
    hours: Hours


News = Hello | Over | Told


def read_news(lines: Iterable[bytes]) -> Iterator[News]:
    """Yield what the feed tells; pings, unknown events and what cannot be read are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            if name:  # a line that begins with a colon is a ping
                fields[name] = value.removeprefix(" ")
            continue
        news = _read(fields)
        fields = {}
        if news is not None:
            yield news


def _read(fields: dict[str, str]) -> News | None:
    kind = fields.get("event")
    if kind == "hello":
        return Hello()
    try:
        document: Any = json.loads(fields.get("data", ""))
        if kind == "revoked":
            return Over(str(document["session"]), fields.get("id", ""))
        if kind == "hours":
            begins, closes = document["begins"], document["closes"]
            hours = Hours(
                -math.inf if begins is None else float(begins), math.inf if closes is None else float(closes)
            )
            return Told(str(document["onsale"]), hours)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None
