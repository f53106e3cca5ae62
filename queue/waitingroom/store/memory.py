"""What this process has seen of an onsale's counters: they only grow, so a store that shows less has lost something.

Pure. The offer which puts it back is what `epochs.lua` reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from waitingroom.snapshot import Line, Snapshot


class Memory:
    """The highest counters seen, per epoch, the draw's record, what operators have set, and the terms which were in force."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._draw = ""
        self._pool = ""
        self._behind = False
        self._epoch = 0
        self._operated: tuple[tuple[str, str], ...] = ()
        self._order = (0, "", "")
        self._config = ""

    def see(self, snapshot: Snapshot) -> None:
        """Compare a snapshot with what was seen before, and remember the higher of both."""
        shown = {line.epoch: line for line in snapshot.lines}
        self._behind = any(
            epoch not in shown or _highest(line, shown[epoch]) != shown[epoch]
            for epoch, line in self._lines.items()
        ) or bool(self._draw and not snapshot.draw_record)
        if not self._behind:
            # A store which lost the line may have got another order from the document of whoever entered it.
            self._order = (snapshot.epoch, snapshot.order, snapshot.beacon_source)
        self._config = snapshot.config
        for epoch, line in shown.items():
            known = self._lines.get(epoch)
            self._lines[epoch] = _highest(known, line) if known else line
        ours_us, theirs_us = _operated_us(self._operated), _operated_us(snapshot.operated)
        if ours_us > theirs_us:
            # The store was rolled back past the last change by an operator.
            self._behind = True
        elif theirs_us > ours_us or snapshot.epoch == self._epoch or snapshot.operated:
            # Within an epoch nothing is lost: what is gone was taken back.
            self._operated = snapshot.operated
        self._epoch = snapshot.epoch
        if snapshot.draw_record:
            self._draw = snapshot.draw_record
            self._pool = ",".join(f"{epoch}:{size}" for epoch, size in snapshot.pool)

    def see_place(self, epoch: int, number: int) -> None:
        """Remember that `number` was issued in `epoch`."""
        line = self._lines.get(epoch)
        if line is None:
            self._lines[epoch] = Line(epoch, number, 0, 0)
            self._behind = True
        elif line.tail < number:
            # Usually just newer than the last snapshot; the next one shows whether the store knows it too.
            self._lines[epoch] = Line(epoch, number, line.released, line.settled, line.shift)

    def see_draw(self, record: str, pool: Sequence[tuple[int, int]]) -> None:
        """Remember a draw that was published: its record, and with its pool the numbers that had been issued by then.

        Older epochs of the pool have passed into the line of the last one.
        """
        self._draw = record
        self._pool = ",".join(f"{epoch}:{size}" for epoch, size in pool)
        others = sum(size for _, size in pool[:-1])
        for epoch, size in pool:
            last = epoch == pool[-1][0]
            drawn = Line(epoch, size, 0, 0, others) if last else Line(epoch, size, size, size)
            known = self._lines.get(epoch)
            self._lines[epoch] = _highest(known, drawn) if known else drawn
        self._behind = True

    def offer(self) -> str:
        """Write down everything seen."""
        known = [
            [str(value) for value in (line.epoch, line.tail, line.released, line.settled, line.shift)]
            for _, line in sorted(self._lines.items())
        ]
        offered = {
            "known": known,
            "draw": self._draw,
            "pool": self._pool,
            "operated": dict(self._operated),
            "order": [str(value) for value in self._order],
            "config": self._config,
        }
        return json.dumps(offered)

    def offer_if_behind(self) -> str:
        """Write it down if the last snapshot showed less; an empty text otherwise."""
        return self.offer() if self._behind else ""


def _operated_us(operated: tuple[tuple[str, str], ...]) -> int:
    """Return the time of the last change by an operator; 0 where the store tells none."""
    return next((int(float(value)) for name, value in operated if name == "operated_us"), 0)


def _highest(one: Line, other: Line) -> Line:
    return Line(
        one.epoch,
        max(one.tail, other.tail),
        max(one.released, other.released),
        max(one.settled, other.settled),
        max(one.shift, other.shift),
    )
