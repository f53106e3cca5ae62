"""Makes the figures of several workers one, so that it does not matter which of them a scrape meets.

Each puts its figures on the scoreboard about once a second. Counters and histograms are summed, and go on where a worker that
died had come to; of what stands in the store the newest copy counts, so that no counter ever goes back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from rulebook.families import Merge
from waitingroom.metrics import COPY_AT, FAMILIES
from waitingroom.scoreboard import Scoreboard, SlotFull

SHOW_EVERY_S = 1.0
_GATE_MERGES: Mapping[str, Merge] = {"tidegate_queue_gate_feed_connected": "min"}
MERGES: Mapping[str, Merge] = {**{family.name: family.merge for family in FAMILIES}, **_GATE_MERGES}
_ONSALE = "onsale"
_ADDING = frozenset({"counter", "histogram"})
_COUNTED = ("_total", "_bucket", "_sum", "_count")

Key: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]
"""Family, sample, and labels with their values."""
Sheet: TypeAlias = dict[Key, float]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """One worker's part of the scoreboard."""

    board: Scoreboard
    number: int


def sheet_of(metrics: Iterable[Metric]) -> Sheet:
    """Write metrics down as plain figures."""
    return {
        (metric.name, sample.name, tuple(sample.labels.items())): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def merge(sheets: Sequence[Sheet]) -> Sheet:
    """Make several workers' figures one."""
    merged: Sheet = {}
    taken_at: dict[Key, float] = {}
    for sheet in sheets:
        copies = {labels: at for (name, _, labels), at in sheet.items() if name == COPY_AT}
        for key, value in sheet.items():
            how = MERGES.get(key[0], "sum")
            if how == "newest":
                onsale = tuple(pair for pair in key[2] if pair[0] == _ONSALE)
                at = copies.get(onsale, 0.0)
                if key not in merged or at > taken_at[key]:
                    merged[key], taken_at[key] = value, at
            elif key not in merged:
                merged[key] = value
            else:
                merged[key] = _merged(how, merged[key], value)
    return _without_older_copies(merged, taken_at)


def encode(sheet: Sheet) -> bytes:
    """Write a sheet for the scoreboard."""
    return json.dumps([[*key, value] for key, value in sheet.items()], separators=(",", ":")).encode()


def decode(text: bytes) -> Sheet:
    """Read a sheet; an empty text is an empty one."""
    if not text:
        return {}
    return {
        (family, name, tuple((label, value) for label, value in labels)): figure
        for family, name, labels, figure in json.loads(text)
    }


class SharedCollector(Collector):
    """Exposes the figures of all workers, of which this is one; `show` puts its own on the board."""

    def __init__(self, own: CollectorRegistry, slot: Slot) -> None:
        self._own = own
        self._slot = slot
        self._full = False
        self._inherited = decode(slot.board.read(slot.number))

    def show(self) -> list[Metric]:
        """Put the figures on the board as they are now; returns them as metrics of this process alone."""
        metrics = list(self._own.collect())
        sheet = sheet_of(metrics)
        adding = {metric.name for metric in metrics if metric.type in _ADDING}
        here = {metric.name for metric in metrics}
        for key, value in self._inherited.items():
            # A family that is registered later on has counted before, and must not be seen to begin anew.
            counts = key[0] in adding or (key[0] not in here and key[1].endswith(_COUNTED))
            if counts and MERGES.get(key[0], "sum") == "sum":
                sheet[key] = sheet.get(key, 0.0) + value
        try:
            self._slot.board.write(self._slot.number, encode(sheet))
            self._full = False
        except SlotFull as error:
            if not self._full:
                log.error("metrics_not_shared", reason=str(error))
            self._full = True
        return metrics

    def collect(self) -> Iterator[Metric]:
        """Yield this process's families with the figures of all."""
        metrics = self.show()
        board = self._slot.board
        merged = merge([decode(board.read(number)) for number in range(board.slots)])
        samples: dict[str, list[tuple[str, dict[str, str], float]]] = {}
        for (family, name, labels), value in merged.items():
            samples.setdefault(family, []).append((name, dict(labels), value))
        for metric in metrics:
            shared = Metric(metric.name, metric.documentation, metric.type)
            for name, label_values, value in samples.get(metric.name, ()):
                shared.add_sample(name, label_values, value)
            yield shared

    async def run(self) -> None:
        """Keep the board up to date for as long as the task lives."""
        while True:
            try:
                self.show()
            except Exception:  # one look that failed must not be the last
                log.exception("metrics_not_shown")
            await asyncio.sleep(SHOW_EVERY_S)


def _merged(how: Merge, before: float, value: float) -> float:
    if how == "max":
        return max(before, value)
    return min(before, value) if how == "min" else before + value


def _without_older_copies(merged: Sheet, taken_at: Mapping[Key, float]) -> Sheet:
    """Drop what only an older copy had: another reason for the rate, a bound that there is no more."""
    newest: dict[tuple[tuple[str, str], ...], float] = {}
    for (_, _, labels), at in taken_at.items():
        onsale = tuple(pair for pair in labels if pair[0] == _ONSALE)
        newest[onsale] = max(at, newest.get(onsale, 0.0))
    for key, at in taken_at.items():
        if at < newest[tuple(pair for pair in key[2] if pair[0] == _ONSALE)]:
            del merged[key]
    return merged
