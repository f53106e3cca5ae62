"""Carries what the plots and the lists of events show over a restart or a takeover: by the store, a few seconds after it was.

The leader writes; whoever takes over reads first. Nothing waits for it, and a store that is away costs the time in between at the
most: what could not be written is written later, as far as this process still has it. Onsales are followed by every console, and
written by the leader's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydantic import TypeAdapter, ValidationError

from autoscaler.console.happenings import Happening
from autoscaler.console.history import EVENTS_OF_RULE_KEPT, Chronicle
from autoscaler.console.onsale_history import KEPT as SAMPLES_KEPT
from autoscaler.console.onsale_history import OnsaleHistory, Sample
from autoscaler.console.pastrounds import ROUNDS_KEPT, Round
from autoscaler.console.trail import Trail
from autoscaler.errors import AutoscalerError
from autoscaler.store.shelves import Shelf, Shelves
from rulebook.kept import TargetKey

EVERY_S: Final = 1.0
KEPT_FOR_S: Final = 14 * 86_400.0
"""As what rules remember."""
_ROUND: Final = TypeAdapter(Round)
_HAPPENING: Final = TypeAdapter(Happening)
_SAMPLE: Final = TypeAdapter(Sample)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


@dataclass(frozen=True, slots=True)
class Standing:
    """What this process does: whether it leads, whether it may write at all, and the targets of the rules it has."""

    leads: bool
    writes: bool
    targets: Mapping[str, TargetKey]


class Remembering:
    """Keeps what one console shows."""

    def __init__(
        self, chronicle: Chronicle, onsales: OnsaleHistory, standing: Callable[[], Standing]
    ) -> None:
        self._chronicle = chronicle
        self._onsales = onsales
        self._standing = standing
        self._error = ""

    async def carry_on(self, shelves: Shelves) -> None:
        """Read what has to be read, and write what is new. Never raises: what is not kept now, is with the next call."""
        error = ""
        try:
            await self._carry_on(shelves)
        except AutoscalerError as failure:
            error = str(failure)
        if error and not self._error:
            _log.warning("console_history_not_kept", error=error)
        self._error = error

    async def _carry_on(self, shelves: Shelves) -> None:
        standing = self._standing()
        writes = standing.leads and standing.writes
        for rule, target in standing.targets.items() if standing.leads else ():
            trails, of = self._chronicle.of(rule), ":".join((rule, *target))
            rounds = Shelf(f"{{scaler}}:console:rounds:{of}", ROUNDS_KEPT, KEPT_FOR_S)
            events = Shelf(f"{{scaler}}:console:events:{of}", EVENTS_OF_RULE_KEPT, KEPT_FOR_S)
            await _keep(shelves, rounds, trails.rounds, _ROUND, writes=writes)
            await _keep(shelves, events, trails.happenings, _HAPPENING, writes=writes)
        for onsale, trail in self._onsales.trails().items():
            samples = Shelf(f"{{scaler}}:console:onsale:{onsale}", SAMPLES_KEPT, KEPT_FOR_S)
            await _keep(shelves, samples, trail, _SAMPLE, writes=writes)


async def _keep(
    shelves: Shelves, shelf: Shelf, trail: Trail[Any], form: TypeAdapter[Any], *, writes: bool
) -> None:
    if not trail.recalled:
        texts = await shelves.read(shelf)
        trail.recall(item for text in texts if (item := _read(text, form)) is not None)
    fresh = trail.fresh()
    if fresh and writes:
        await shelves.put(shelf, [form.dump_json(item).decode() for item in fresh])
    trail.kept(len(fresh))


def _read(text: str, form: TypeAdapter[Any]) -> Any:
    """Decode an item; None for what is none."""
    try:
        return form.validate_json(text)
    except ValidationError:
        return None
