"""A long sale in which no process may grow: `python -m tests.soak [--minutes 20] [--json FILE] [--report FILE]`.

What they remember of buyers is made small (see `small`), so that it is soon full. The crowd comes evenly, a little faster than
it is let in, so that there is always a line. One JSON line a figure; the exit status is 1 if a process has grown by more than
`drift` allows, a promise was broken, or nobody was let in.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from tests.benchmarks.figures import Figure, read_figures
from tests.benchmarks.machine import machine
from tests.chaos.crowd import Crowd, send_crowd
from tests.chaos.runningsite import GATE, ROOM, SCALERS, STORE, Site, running_site
from tests.chaos.sale import FULL_RATE_PER_S, evidence_of, site_documents
from tests.soak import small
from tests.soak.drift import FILES_LIMIT_PER_MIN, MEMORY_LIMIT_KIB_PER_MIN, Drift, Sample, drifts
from tests.soak.report import failures, page
from tidegate.demo.figures import Evidence, double_claims, lost_places
from tidegate.demo.ordering import order_violations
from tidegate.demo.overadmission import over_admitted
from tidegate.demo.sampling import EVERY_S, Sampler
from tidegate.demo.shapes import Arrivals

BROKEN = 1

_ARRIVALS_PER_S = FULL_RATE_PER_S + 1.0
_LOOKS = 240
"""At the processes, over the whole run."""
_SMALL = ("-P", small.__file__)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_JUDGED = (STORE, ROOM, GATE, *SCALERS)


@dataclass(frozen=True, slots=True)
class Soaked:
    """A long sale: how each process changed, what buyers and shop saw, when it opened, and how busy the machine was."""

    drifts: list[Drift]
    evidence: Evidence
    opens_s: float
    minutes: float
    loads: list[float]

    @property
    def admitted(self) -> int:
        """How many buyers were let in."""
        return sum(bool(buyer.sessions) for buyer in self.evidence.buyers)

    @property
    def broken(self) -> dict[str, float]:
        """How often each promise was broken."""
        buyers, served = self.evidence.buyers, self.evidence.served
        return {
            "soak_lost_places": lost_places(buyers),
            "soak_double_claims": double_claims(buyers, served),
            "soak_order_violations": order_violations(buyers),
            "soak_over_admitted": over_admitted(served, self.evidence.rates, self.opens_s),
        }


async def soak(minutes: float, folder: Path) -> Soaked:
    """Run a sale for so long."""
    seconds = minutes * 60.0
    samples: list[Sample] = []
    loads: list[float] = []
    async with running_site(site_documents(), folder, program=_SMALL) as site:
        sampler = Sampler(site.stack)
        crowd = await send_crowd(
            site, buyers=round(_ARRIVALS_PER_S * seconds), seconds=seconds, seed=1, arrivals=Arrivals.RUSH
        )
        async with crowd.going():
            await _watch(site, sampler, crowd, site.stack.opens_s + seconds, seconds / _LOOKS, samples, loads)
    return Soaked(drifts(samples), evidence_of(site, sampler, crowd), site.stack.opens_s, minutes, loads)


async def _watch(
    site: Site,
    sampler: Sampler,
    crowd: Crowd,
    until_s: float,
    every_s: float,
    samples: list[Sample],
    loads: list[float],
) -> None:
    look_at_s = site.stack.opens_s
    while time.time() < until_s and not crowd.child.ended:
        await asyncio.gather(sampler.sample(), asyncio.sleep(EVERY_S))
        site.stack.check()
        if time.time() >= look_at_s:
            look_at_s += every_s
            samples.extend(_look(site))
            loads.append(os.getloadavg()[0])


def _look(site: Site) -> Iterator[Sample]:
    now_s = time.time()
    for name in _JUDGED:
        pids = [(name, site.pid(name))]
        if name in (ROOM, GATE):
            pids += [(f"{name} worker {number}", pid) for number, pid in enumerate(site.workers(name), 1)]
        for process, pid in pids:
            pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            yield Sample(now_s, process, pages * _PAGE_BYTES, files)


def figures(soaked: Soaked) -> list[Figure]:
    """Return what is printed. The limit stands as the baseline."""
    began = datetime.fromtimestamp(soaked.opens_s, UTC)
    lines = [
        Figure("soak_minutes", soaked.minutes, "min", 1, note=f"{began:%Y-%m-%d}"),
        Figure("soak_least_load", min(soaked.loads, default=0.0), "processes", len(soaked.loads)),
        Figure("soak_most_load", max(soaked.loads, default=0.0), "processes", len(soaked.loads)),
    ]
    for drift in soaked.drifts:
        about = {"n": drift.samples, "of": drift.process}
        lines += [
            Figure("soak_memory_at_first", drift.memory_at_first_kib, "KiB", **about),
            Figure("soak_memory_at_half", drift.memory_at_half_kib, "KiB", **about),
            Figure("soak_memory", drift.memory_kib, "KiB", **about),
            Figure(
                "soak_memory_growth",
                drift.memory_kib_per_min,
                "KiB/min",
                **about,
                baseline=MEMORY_LIMIT_KIB_PER_MIN,
            ),
            Figure("soak_files", drift.files, "files", **about),
            Figure(
                "soak_files_growth", drift.files_per_min, "files/min", **about, baseline=FILES_LIMIT_PER_MIN
            ),
        ]
    buyers = len(soaked.evidence.buyers)
    lines += [Figure(name, value, "buyers", buyers, baseline=0.0) for name, value in soaked.broken.items()]
    return [*lines, Figure("soak_admitted", soaked.admitted, "buyers", buyers)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the sale goes on (20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to FILE as well")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what is found to FILE (Markdown)")
    parser.add_argument(
        "--from",
        type=Path,
        metavar="FILE",
        dest="from_file",
        help="run nothing, but report on the run whose lines are in FILE, which --json wrote",
    )
    options = parser.parse_args(arguments)
    if options.from_file:
        found = read_figures(options.from_file.read_text(encoding="utf-8").splitlines())
    else:
        found = _run(options.minutes)
        lines = "".join(figure.to_json() + "\n" for figure in found)
        sys.stdout.write(lines)
        if options.json:
            options.json.write_text(lines, encoding="utf-8")
    if options.report:
        options.report.write_text(page(found), encoding="utf-8")
    failed = failures(found)
    sys.stderr.writelines(f"{failure}\n" for failure in failed)
    return BROKEN if failed else 0


def _run(minutes: float) -> list[Figure]:
    before = machine()  # as busy as it is without us
    with tempfile.TemporaryDirectory(prefix="tidegate-soak-") as folder:
        return [*before, *figures(uvloop.run(soak(minutes, Path(folder))))]


if __name__ == "__main__":
    # A run that is told to end must still stop the processes which it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
