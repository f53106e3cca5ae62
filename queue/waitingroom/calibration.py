"""Whether past ranges held: by how much the next ones must be wider, or may be narrower.

Every few seconds a range is noted for a place near, one further off and one far down the line, as if a buyer stood there. When
that place is released, its wait either lay within the range or missed it early or late. A miss widens that side at that distance
by nine steps, a hit narrows it by one, so that misses come to one in ten on either side: adaptive conformal inference (Gibbs and
Candes, 2021) with a step of constant size. Pure; each process learns for itself and begins anew when it is started.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from waitingroom.eta import TIMES_S, Eta, Widening
from waitingroom.snapshot import Snapshot

EVERY_S = 5.0
DISTANCES_S = (30.0, 180.0, 900.0)
_HIT, _MISS = -0.008, 0.072
_NARROWEST, _WIDEST = math.log(0.6), math.log(2.0)
_PENDING = 600


@dataclass(frozen=True, slots=True)
class Probe:
    """A range given at `at_s` for the place which is released once `mark` places are; `distance` indexes `DISTANCES_S`."""

    at_s: float
    mark: float
    low_s: float
    high_s: float
    distance: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probes under way, oldest first, and the logarithm of each side's factor by distance."""

    probes: tuple[Probe, ...] = ()
    below: tuple[float, ...] = (0.0,) * len(DISTANCES_S)
    above: tuple[float, ...] = (0.0,) * len(DISTANCES_S)
    asked_at_s: float = 0.0

    def widening(self) -> Widening:
        """Return the factors at each of `TIMES_S`: those of the nearest distance."""
        nearest = [_nearest(at_s) for at_s in TIMES_S]
        return Widening(
            tuple(math.exp(self.below[index]) for index in nearest),
            tuple(math.exp(self.above[index]) for index in nearest),
        )


def learn(known: Calibration, snapshot: Snapshot, eta: Eta) -> Calibration:
    """Settle the probes whose place has been released, and send out new ones when it is time.

    While the line is held or put in order after a loss, or nobody is let in, all are given up: how long a pause lasts is nothing
    that a forecast could know.
    """
    if not eta.knots or eta.opens_in_s or snapshot.recovers_within_s > 0.0:
        return Calibration((), known.below, known.above, snapshot.at_s) if known.probes else known
    below, above, pending = list(known.below), list(known.above), []
    for probe in known.probes:
        if snapshot.released < probe.mark:
            pending.append(probe)
            continue
        waited_s = snapshot.at_s - probe.at_s
        below[probe.distance] = _moved(below[probe.distance], missed=waited_s < probe.low_s)
        above[probe.distance] = _moved(above[probe.distance], missed=waited_s > probe.high_s)
    asked_at_s = known.asked_at_s
    if snapshot.at_s - asked_at_s >= EVERY_S:
        asked_at_s = snapshot.at_s
        pending = (pending + _probes(snapshot, eta))[-_PENDING:]
    return Calibration(tuple(pending), tuple(below), tuple(above), asked_at_s)


def _probes(snapshot: Snapshot, eta: Eta) -> list[Probe]:
    """Look at places that are taken already: whether further ones will ever be, nobody knows."""
    probes = []
    for distance, at_s in enumerate(DISTANCES_S):
        ahead = min(_ahead_of(eta, at_s), snapshot.waiting - 1.0)
        if ahead < 1.0 or (distance and _expected(eta, ahead) < DISTANCES_S[distance - 1]):
            continue
        found = eta.range_s(ahead)
        if found is not None:
            probes.append(Probe(snapshot.at_s, snapshot.released + ahead + 1.0, *found, distance))
    return probes


def _ahead_of(eta: Eta, at_s: float) -> float:
    """Return how many are ahead of somebody who is expected to wait for `at_s`."""
    for index in range(len(TIMES_S) - 1):
        if at_s < TIMES_S[index + 1]:
            share = (at_s - TIMES_S[index]) / (TIMES_S[index + 1] - TIMES_S[index])
            return eta.knots[index] + share * (eta.knots[index + 1] - eta.knots[index])
    return eta.knots[-1]


def _expected(eta: Eta, ahead: float) -> float:
    for index in range(len(TIMES_S) - 1):
        if ahead < eta.knots[index + 1]:
            gained = max(eta.knots[index + 1] - eta.knots[index], 1e-9)
            share = (ahead - eta.knots[index]) / gained
            return TIMES_S[index] + share * (TIMES_S[index + 1] - TIMES_S[index])
    return TIMES_S[-1]


def _nearest(at_s: float) -> int:
    return min(
        range(len(DISTANCES_S)), key=lambda index: abs(math.log((at_s + 5.0) / (DISTANCES_S[index] + 5.0)))
    )


def _moved(factor: float, *, missed: bool) -> float:
    return min(max(factor + (_MISS if missed else _HIT), _NARROWEST), _WIDEST)
