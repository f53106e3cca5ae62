"""A room's document against what the store goes by: which terms of a changed one count, and whose settings are in force.

It asks no store and puts nothing in force: it tells `room` what there is to do.
"""

from __future__ import annotations

import math

import structlog

from rulebook import Onsale
from rulebook.onsale import DrawTerms
from waitingroom.roomsettings import beacon_source_of, room_settings
from waitingroom.snapshot import Snapshot

_DIFFERS_FOR_S = 120.0
"""Processes read a changed document one after another; on Kubernetes that takes a minute or two."""

log = structlog.get_logger(__name__)


class Following:
    """The settings of one onsale's document as this process has read it. `owed`: they have still to be put in force."""

    def __init__(self, onsale: Onsale) -> None:
        self.owed = True
        self._name = onsale.name
        self._config = room_settings(onsale)["config"]
        self._in_force = (0, "")
        self._differs_since_s: float | None = None

    def change(self, known: Onsale, changed: Onsale) -> Onsale:
        """Owe the settings of a changed document, and return it as it counts.

        The order of a line is not changed while it stands: `order`, and what was announced of the draw, stay as in `known`.
        """
        spec = known.spec
        if (changed.spec.order, changed.spec.draw) != (spec.order, spec.draw):
            log.warning("order_kept", onsale=self._name, order=spec.order)
            kept = {"order": spec.order, "draw": spec.draw}
            changed = changed.model_copy(update={"spec": changed.spec.model_copy(update=kept)})
        self._config = room_settings(changed)["config"]
        self.owed = True
        return changed

    def are_in_force(self, snapshot: Snapshot) -> bool:
        """Tell whether the store went by this document's settings when the copy was taken."""
        return snapshot.config == self._config

    def compare(self, snapshot: Snapshot, now_s: float) -> None:
        """Notice, at `now_s` of the monotonic clock, that the store goes by another document than this process.

        One that was in force and is not in a new epoch was lost by the store, and is owed again. Else another process has put its
        own in force: a newer one, which will be read here as well, or an older one, and an operator has to look.
        """
        (epoch, config), self._in_force = self._in_force, (snapshot.epoch, snapshot.config)
        if not snapshot.config or snapshot.config == self._config:
            self._differs_since_s = None
            return
        if snapshot.epoch > epoch and config == self._config:
            log.warning("document_put_back", onsale=self._name)
            self.owed = True
        if self._differs_since_s is None:
            self._differs_since_s = now_s
        elif now_s - self._differs_since_s >= _DIFFERS_FOR_S:
            self._differs_since_s = math.inf
            advice = "do all processes read the same document? start again those which read an older one, then this one"
            log.warning("document_overridden", onsale=self._name, advice=advice)


def in_order_of_line(onsale: Onsale, snapshot: Snapshot) -> Onsale | None:
    """Return the document with the order of the line in the store, None where it is the same.

    A document which came later says how others will stand, not these.
    """
    in_force = snapshot.order, snapshot.beacon_source
    if not snapshot.order or in_force == (onsale.spec.order, beacon_source_of(onsale)):
        return None
    log.warning("order_kept", onsale=onsale.name, order=snapshot.order)
    terms = DrawTerms.model_construct(beacon=snapshot.beacon_source) if snapshot.beacon_source else None
    kept = {"order": snapshot.order, "draw": terms}
    return onsale.model_copy(update={"spec": onsale.spec.model_copy(update=kept)})
