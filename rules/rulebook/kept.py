"""What outlives a process of a rule: its memory, the target that it is about, and the count last asked for, as a short text.

Pure. The text is JSON of version `VERSION`. A reader passes over fields which it does not know, so that an older one reads what
a newer one wrote; only a change of meaning makes another version. Before it is written, a memory is condensed: entries that
can never bind again are left out, and beyond `MAX_ENTRIES` neighbours are merged so that no scale-down comes sooner for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from rulebook.errors import RulebookError
from rulebook.events import ScaleEvent
from rulebook.memory import CrowdDeadline, Memory, SeenOnsale, TimedRecommendation
from rulebook.observation import OnsaleTimes
from rulebook.override import Override, read_override, write_override
from rulebook.startup import Ordered, StartUps

VERSION: Final = 1
MAX_ENTRIES: Final = 256
"""Most entries of a log that are written."""
MAX_NAMES: Final = 256
MAX_TEXT: Final = 65_536
"""Most characters that are written or read."""
MAX_TIME_S: Final = 1e11
MAX_COUNT: Final = 2**53

TargetKey: TypeAlias = tuple[str, str, str, str]
Json: TypeAlias = Mapping[str, Any]
EntryT = TypeVar("EntryT")


class KeptTextError(RulebookError, ValueError):
    """A text is not what is kept of a rule, or of a version that is not known here; whoever reads it starts anew."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a rule: `replicas` is the count last asked for, None where none was; `at_s` is when it was written.

    `override` is an operator's word over the document, until it is taken back.
    """

    target: TargetKey
    replicas: int | None
    at_s: float
    memory: Memory
    override: Override | None = None


def write_kept(kept: Kept) -> str:
    """Encode, condensed."""
    memory = condense(kept.memory)
    document: dict[str, Any] = {
        "version": VERSION,
        "target": list(kept.target),
        "replicas": kept.replicas,
        "at": kept.at_s,
        "recommendations": [[entry.replicas, entry.at_s] for entry in memory.recommendations],
        "ups": [[event.change, event.at_s] for event in memory.scale_up_events],
        "downs": [[event.change, event.at_s] for event in memory.scale_down_events],
        "periods": [memory.up_period_s, memory.down_period_s],
        "deadlines": [[entry.signal, entry.at_s] for entry in memory.crowd_deadlines[:MAX_NAMES]],
        "onsales": [
            [entry.onsale, entry.times.opens_at_s, entry.times.backlog, entry.times.sessions]
            for entry in memory.onsales[:MAX_NAMES]
        ],
        "slow": [memory.slow_factor, memory.slow_at_s],
        "cut": [memory.slow_cut_at_s, memory.slow_limit],
        "blind": memory.blind_since_s,
        "start": None if memory.at_start is None else [memory.at_start.replicas, memory.at_start.at_s],
        "starting": [[ordered.replicas, ordered.at_s] for ordered in memory.start_ups.starting],
        "took": list(memory.start_ups.took_s),
        "override": write_override(kept.override),
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def read_kept(text: str) -> Kept:
    """Decode what `write_kept` encoded.

    Raises:
        KeptTextError: not such a text.
    """
    if len(text) > MAX_TEXT:
        raise KeptTextError(f"longer than {MAX_TEXT} characters")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise KeptTextError("not JSON") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise KeptTextError(f"not of version {VERSION}")
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise KeptTextError("not what is kept of a rule") from error


def condense(memory: Memory) -> Memory:
    """Leave out what can never bind again, and merge what is too much; decisions stay the same as long as nothing is merged."""
    return replace(
        memory,
        recommendations=_extremes(memory.recommendations),
        scale_up_events=_recent(memory.scale_up_events),
        scale_down_events=_recent(memory.scale_down_events),
    )


def _extremes(log: Sequence[TimedRecommendation]) -> tuple[TimedRecommendation, ...]:
    """Keep the recommendations that are the highest or the lowest of all since: only those can be a window's extreme."""
    highs: list[TimedRecommendation] = []
    lows: list[TimedRecommendation] = []
    for entry in sorted(log, key=lambda entry: entry.at_s, reverse=True):
        if not highs or entry.replicas > highs[-1].replicas:
            highs.append(entry)
        if not lows or entry.replicas < lows[-1].replicas:
            lows.append(entry)
    if len(highs) + len(lows) > MAX_ENTRIES:
        # A high counts for as long as the youngest of its group would, a low only for as long as there is a younger one:
        # both err on the side of more replicas.
        highs = [replace(group[-1], at_s=group[0].at_s) for group in _groups(highs, MAX_ENTRIES // 2)]
        lows = [group[0] for group in _groups(lows, MAX_ENTRIES // 2)]
    return tuple(sorted(dict.fromkeys([*highs, *lows]), key=lambda entry: entry.at_s))


def _recent(events: Sequence[ScaleEvent]) -> tuple[ScaleEvent, ...]:
    """Keep the events that no policy has done with; where they are too many, neighbours count as one, from the later's time."""
    recent = sorted((event for event in events if not event.outdated), key=lambda event: event.at_s)
    if len(recent) <= MAX_ENTRIES:
        return tuple(recent)
    return tuple(
        ScaleEvent(sum(event.change for event in group), group[-1].at_s)
        for group in _groups(recent, MAX_ENTRIES)
    )


def _groups(entries: Sequence[EntryT], most: int) -> list[Sequence[EntryT]]:
    """Divide into at most so many groups of neighbours."""
    size = math.ceil(len(entries) / most)
    return [entries[index : index + size] for index in range(0, len(entries), size)]


def _read(document: Json) -> Kept:
    group, kind, namespace, name = document["target"]
    if not all(isinstance(part, str) for part in (group, kind, namespace, name)):
        raise TypeError
    start = document.get("start")
    up_period, down_period = document.get("periods", (None, None))
    slow_factor, slow_at = document.get("slow", (1.0, None))
    cut_at, limit = document.get("cut", (None, None))
    return Kept(
        target=(group, kind, namespace, name),
        replicas=_count_or_none(document.get("replicas")),
        at_s=_time(document["at"]),
        override=read_override(document.get("override")),
        memory=Memory(
            recommendations=tuple(
                TimedRecommendation(_count(entry[0]), _time(entry[1]))
                for entry in document.get("recommendations", ())
            ),
            scale_up_events=_read_events(document.get("ups", ())),
            scale_down_events=_read_events(document.get("downs", ())),
            up_period_s=_time_or_none(up_period),
            down_period_s=_time_or_none(down_period),
            crowd_deadlines=tuple(
                CrowdDeadline(_text(entry[0]), _time(entry[1])) for entry in document.get("deadlines", ())
            ),
            onsales=tuple(
                SeenOnsale(
                    _text(entry[0]),
                    OnsaleTimes(_time_or_none(entry[1]), _count_or_none(entry[2]), _count_or_none(entry[3])),
                )
                for entry in document.get("onsales", ())
            ),
            slow_factor=_factor(slow_factor),
            slow_at_s=_time_or_none(slow_at),
            slow_cut_at_s=_time_or_none(cut_at),
            slow_limit=None if limit is None else _factor(limit),
            blind_since_s=_time_or_none(document.get("blind")),
            at_start=None if start is None else TimedRecommendation(_count(start[0]), _time(start[1])),
            start_ups=StartUps(
                tuple(Ordered(_count(entry[0]), _time(entry[1])) for entry in document.get("starting", ())),
                tuple(_time(entry) for entry in document.get("took", ())),
            ),
        ),
    )


def _read_events(entries: Sequence[Sequence[Any]]) -> tuple[ScaleEvent, ...]:
    return tuple(ScaleEvent(_count(entry[0]), _time(entry[1])) for entry in entries)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise ValueError
    return value


def _time(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= MAX_TIME_S:
        raise ValueError
    return float(value)


def _factor(value: object) -> float:
    factor = _time(value)
    if not 0.0 < factor <= 1.0:
        raise ValueError
    return factor


def _count_or_none(value: object) -> int | None:
    return None if value is None else _count(value)


def _time_or_none(value: object) -> float | None:
    return None if value is None else _time(value)
