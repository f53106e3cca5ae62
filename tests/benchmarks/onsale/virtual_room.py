"""The waiting room in virtual time: the product's own scripts on a real store whose clock is the simulation's.

One `turn` is one round trip: the clock, what buyers did since the last turn (joins, claims, ends of sessions), and the release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from autoscaler.admission import AdmissionTarget
from autoscaler.store.connection import load_script
from autoscaler.store.figures import Published
from rulebook.coupling import US_PER_S, RoomFigures, figures_key, targets_key, terms_key
from waitingroom.snapshot import Snapshot, read_snapshot
from waitingroom.store.scripts import LOADED, script_source

ONSALE = "gala"
_KEY = f"{{{ONSALE}}}:room"
_CLOCK_KEY = f"{{{ONSALE}}}:clock"
_CLOCK = "local clock = redis.call('TIME')"
_OUR_CLOCK = f"local clock = redis.call('HMGET', '{_CLOCK_KEY}', 's', 'us')"
_BATCH = 500


@dataclass(slots=True)
class Deeds:
    """What buyers did since the last turn: devices that join, claims by position and session, sessions that ended."""

    joins: list[str] = field(default_factory=list)
    claims: list[tuple[int, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Turned:
    """What came of a turn: the numbers of those who joined, the outcome of each claim, and the counters."""

    numbers: Sequence[int]
    outcomes: Sequence[str]
    snapshot: Snapshot


class VirtualRoom:
    """One onsale on the store at `url`. `settings` are the room hash's fields."""

    def __init__(self, url: str, settings: Mapping[str, str], now_s: float) -> None:
        self.ceiling_per_s = float(settings["rate"])
        self.claim_within_s = float(settings["claim_us"]) / US_PER_S
        self._client: Redis = Redis.from_url(url, decode_responses=True)
        self._client.flushall()
        self._digests = {name: self._load(script_source(name)) for name in LOADED}
        self._write_target = self._load(load_script("write_target.lua"))
        self._set_clock(self._client, now_s)
        known = json.dumps({"known": [], "draw": "", "pool": "", "operated": {}})
        flat = [part for pair in settings.items() for part in pair]
        enter = script_source("enter").replace(_CLOCK, _OUR_CLOCK)
        self._client.eval(enter, 1, _KEY, known, *flat)
        self._epoch = str(self._client.hget(_KEY, "epoch"))
        self.calls = 0

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def turn(self, now_s: float, deeds: Deeds, session_us: int) -> Turned:
        """Carry out what buyers did, and release what is due."""
        pipe = self._client.pipeline(transaction=False)
        self._set_clock(pipe, now_s)
        batches = [deeds.joins[start : start + _BATCH] for start in range(0, len(deeds.joins), _BATCH)]
        for batch in batches:
            self._call(pipe, "join", [" ".join(batch)])
        for position, session in deeds.claims:
            limits = [str(session_us), str(session_us)]
            place = [f"{self._epoch}:{position}", "0", "", "", "0"]
            self._call(pipe, "claim", [self._epoch, str(position), session, *limits, *place])
        if deeds.ended:
            self._call(
                pipe, "sessions", ["complete", *(part for session in deeds.ended for part in (session, "0"))]
            )
        self._call(pipe, "advance", ["simulation", "0", "", "0"])
        _, *replies = pipe.execute()
        numbers = [
            int(place.partition(":")[2]) for reply in replies[: len(batches)] for place in reply.split()[1:]
        ]
        outcomes = [reply[0] for reply in replies[len(batches) : len(batches) + len(deeds.claims)]]
        flat = replies[-1]
        return Turned(numbers, outcomes, read_snapshot(dict(zip(flat[::2], flat[1::2], strict=True))))

    def publish_draw(self, record: str) -> None:
        """Publish the draw, so that releases may begin."""
        self._client.evalsha(self._digests["draw"], 1, _KEY, record)

    def published(self, now_s: float) -> Published:
        """Read what the room publishes, as the scaler does."""
        fields: Any = self._client.hgetall(figures_key(ONSALE))
        return Published(RoomFigures.from_hash(fields), now_s)

    def write_target(self, target: AdmissionTarget, now_s: float) -> None:
        """Put an admission target in force, by the scaler's own script."""
        self._set_clock(self._client, now_s)
        capacity = "" if target.capacity is None else target.capacity
        self._client.evalsha(
            self._write_target,
            2,
            targets_key(target.onsale),
            terms_key(target.onsale),
            target.rule,
            target.term,
            repr(float(target.rate_per_s)),
            capacity,
            target.reason,
            round(target.validity_s * US_PER_S),
            "" if target.outlook is None else target.outlook.to_text(),
        )

    def _load(self, source: str) -> str:
        return str(self._client.script_load(source.replace(_CLOCK, _OUR_CLOCK)))

    def _call(self, pipe: Any, name: str, arguments: Sequence[str]) -> None:
        self.calls += 1
        pipe.evalsha(self._digests[name], 1, _KEY, *arguments)

    def _set_clock(self, client: Any, now_s: float) -> None:
        seconds, microseconds = divmod(round(now_s * US_PER_S), US_PER_S)
        client.hset(_CLOCK_KEY, mapping={"s": str(seconds), "us": str(microseconds)})
