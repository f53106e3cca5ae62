"""A long sale: `python -m tests.soak [--minutes 20] [--json FILE]`. Its processes must not grow, and no promise be broken.

The crowd comes evenly, a little faster than it is let in, so that there is always a line. One JSON line a figure; the exit
status is 1 if a process has grown by more than `drift` allows or a promise was broken.
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
from pathlib import Path

import uvloop

from tests.benchmarks.figures import Figure
from tests.chaos.crowd import Crowd, send_crowd
from tests.chaos.runningsite import GATE, ROOM, SCALERS, STORE, Site, running_site
from tests.chaos.sale import FULL_RATE_PER_S, evidence_of, site_documents
from tests.soak.drift import FILES_LIMIT_PER_MIN, WORKER, Drift, Sample, drifts
from tidegate.demo.figures import Evidence, double_claims, lost_places
from tidegate.demo.ordering import order_violations
from tidegate.demo.overadmission import over_admitted
from tidegate.demo.sampling import EVERY_S, Sampler
from tidegate.demo.shapes import Arrivals

BROKEN = 1

_ARRIVALS_PER_S = FULL_RATE_PER_S + 1.0
_LOOKS = 240
"""At the processes, over the whole run."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_JUDGED = (STORE, ROOM, GATE, *SCALERS)


async def soak(minutes: float, folder: Path) -> tuple[list[Drift], Evidence, float]:
    """Run a sale for so long; returns how each process changed, what buyers and shop saw, and when the sale opened."""
    seconds = minutes * 60.0
    samples: list[Sample] = []
    async with running_site(site_documents(), folder) as site:
        sampler = Sampler(site.stack)
        crowd = await send_crowd(
            site, buyers=round(_ARRIVALS_PER_S * seconds), seconds=seconds, seed=1, arrivals=Arrivals.RUSH
        )
        async with crowd.going():
            await _watch(site, sampler, crowd, site.stack.opens_s + seconds, seconds / _LOOKS, samples)
    return drifts(samples), evidence_of(site, sampler, crowd), site.stack.opens_s


async def _watch(
    site: Site, sampler: Sampler, crowd: Crowd, until_s: float, every_s: float, samples: list[Sample]
) -> None:
    look_at_s = site.stack.opens_s
    while time.time() < until_s and not crowd.child.ended:
        await asyncio.gather(sampler.sample(), asyncio.sleep(EVERY_S))
        site.stack.check()
        if time.time() >= look_at_s:
            look_at_s += every_s
            samples.extend(_look(site))


def _look(site: Site) -> Iterator[Sample]:
    now_s = time.time()
    for name in _JUDGED:
        pids = [(name, site.pid(name))]
        if name in (ROOM, GATE):
            pids += [(f"{name} {WORKER} {number}", pid) for number, pid in enumerate(site.workers(name), 1)]
        for process, pid in pids:
            pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            yield Sample(now_s, process, pages * _PAGE_BYTES, files)


def figures(found: Sequence[Drift], evidence: Evidence, opens_s: float) -> list[Figure]:
    """Return what is printed. The limit stands as the baseline."""
    lines = []
    for drift in found:
        about = {"n": drift.samples, "of": drift.process}
        lines += [
            Figure("soak_memory", drift.memory_kib, "KiB", **about),
            Figure(
                "soak_memory_growth",
                drift.memory_kib_per_min,
                "KiB/min",
                **about,
                baseline=drift.memory_limit_kib_per_min,
            ),
            Figure("soak_files", drift.files, "files", **about),
            Figure(
                "soak_files_growth", drift.files_per_min, "files/min", **about, baseline=FILES_LIMIT_PER_MIN
            ),
        ]
    buyers = len(evidence.buyers)
    lines += [
        Figure(name, value, "buyers", buyers, baseline=0.0)
        for name, value in _broken(evidence, opens_s).items()
    ]
    admitted = sum(bool(buyer.sessions) for buyer in evidence.buyers)
    return [*lines, Figure("soak_admitted", admitted, "buyers", buyers)]


def _broken(evidence: Evidence, opens_s: float) -> dict[str, float]:
    buyers = evidence.buyers
    return {
        "soak_lost_places": lost_places(buyers),
        "soak_double_claims": double_claims(buyers, evidence.served),
        "soak_order_violations": order_violations(buyers),
        "soak_over_admitted": over_admitted(evidence.served, evidence.rates, opens_s),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the sale goes on (20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to FILE as well")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tidegate-soak-") as folder:
        found, evidence, opens_s = uvloop.run(soak(options.minutes, Path(folder)))
        lines = "".join(figure.to_json() + "\n" for figure in figures(found, evidence, opens_s))
    sys.stdout.write(lines)
    if options.json:
        options.json.write_text(lines, encoding="utf-8")
    grown = [drift.process for drift in found if not drift.held]
    if grown:
        sys.stderr.write(f"grown by more than is allowed: {', '.join(grown)}\n")
    return BROKEN if grown or not found or any(_broken(evidence, opens_s).values()) else 0


if __name__ == "__main__":
    # A run that is told to end must still stop the processes which it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
