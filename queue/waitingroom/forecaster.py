"""Makes one process's `Eta` of an onsale, from one copy of the counters after another. Pure: it knows no clock but theirs."""

from __future__ import annotations

from waitingroom.calibration import Calibration, learn
from waitingroom.eta import Eta, make_eta
from waitingroom.pace import Pace, Terms, begin, observe
from waitingroom.slowdown import explain
from waitingroom.snapshot import Snapshot


class Forecaster:
    """What has been learnt of one line. `terms` follow the document."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._pace: Pace | None = None
        self._before: Snapshot | None = None
        self._calibration = Calibration()

    def see(self, snapshot: Snapshot) -> Eta:
        """Learn from the next snapshot, and return the range of every place in it."""
        if self._pace is None or self._before is None:
            pace = begin(snapshot, self.terms)
        else:
            pace = observe(self._pace, self._before, snapshot)
        self._pace, self._before = pace, snapshot
        slowdown = explain(pace, snapshot)
        eta = make_eta(pace, snapshot, self.terms, self._calibration.widening(), slowdown)
        self._calibration = learn(self._calibration, snapshot, eta)
        return eta
