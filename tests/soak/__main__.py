"""A long sale in which no process may grow: `python -m tests.soak [--minutes 20] [--json FILE] [--report FILE]`.

What they remember of buyers is made small (see `small`), so that it is soon full. The crowd comes evenly, a little faster than
it is let in, so that there is always a line. One JSON line a figure; the exit status is 1 if a process has grown by more than
`drift` allows or has ended, a promise was broken, or nobody was let in.
"""

from __future__ import annotations

import argparse
import asyncio
import math
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
from tests.chaos.runningsite import GATE, ROOM, SCALERS, STORE, WORKERS, Site, SiteError, running_site
from tests.chaos.sale import (
    FULL_RATE_PER_S,
    evidence_of,
    site_capacity,
    site_ceiling,
    site_documents,
    tracebacks,
)
from tests.chaos.verdict import (
    BUCKET,
    CROWDED,
    CUT_OFF,
    EARLY,
    GIVEN_TWICE,
    LOST,
    SHARED,
    STRETCH,
    TRACEBACK,
    TURNED_AWAY,
    TWICE,
    WITHOUT,
    Run,
    Violation,
    wrongs_of,
)
from tests.files import read_file, written_file
from tests.soak import small
from tests.soak.drift import (
    FILES_LIMIT_PER_MIN,
    MEMORY_LIMIT_KIB_PER_MIN,
    RESTLESS,
    Drift,
    Sample,
    drifts,
    ended,
)
from tests.soak.report import failures, page
from tests.soak.sockets import inbound
from tidegate.demo.errors import DemoError
from tidegate.demo.sampling import EVERY_S, Sampler
from tidegate.demo.shapes import Arrivals

BROKEN = 1

_ARRIVALS_PER_S = FULL_RATE_PER_S + 1.0
_LOOKS = 240
"""At the processes, over the whole run."""
_SMALL = ("-P", small.__file__)
_SOCKET_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_JUDGED = (STORE, ROOM, GATE, *SCALERS)


_WRONGS = {
    LOST: ("soak_lost_places", "buyers"),
    TWICE: ("soak_double_claims", "buyers"),
    SHARED: ("soak_shared_sessions", "sessions"),
    GIVEN_TWICE: ("soak_places_of_two", "buyers"),
    EARLY: ("soak_order_violations", "buyers"),
    BUCKET: ("soak_over_admitted", "buyers"),
    STRETCH: ("soak_over_admitted", "buyers"),
    CROWDED: ("soak_over_admitted", "buyers"),
    WITHOUT: ("soak_without_session", "requests"),
    TURNED_AWAY: ("soak_turned_away", "buyers"),
    CUT_OFF: ("soak_cut_off", "buyers"),
    TRACEBACK: ("soak_tracebacks", "logs"),
}
_SHOWN = 300  # characters of what was seen of a wrong


@dataclass(frozen=True, slots=True)
class Soaked:
    """A long sale: each look at its processes, what buyers and shop saw, and how busy the machine was."""

    samples: list[Sample]
    run: Run
    minutes: float
    loads: list[float]

    @property
    def admitted(self) -> int:
        """How many buyers were let in."""
        return sum(bool(buyer.sessions) for buyer in self.run.evidence.buyers)

    @property
    def wrongs(self) -> dict[str, Violation]:
        """How often each promise was broken, by the name of its figure; of two that count the same, the worse."""
        found: dict[str, Violation] = {}
        for each in wrongs_of(self.run):
            name, _ = _WRONGS[each.promise]
            if name not in found or each.count > found[name].count:
                found[name] = each
        return found


async def soak(minutes: float, folder: Path) -> Soaked:
    """Run a sale for so long."""
    seconds = minutes * 60.0
    samples: list[Sample] = []
    loads: list[float] = []
    documents = site_documents()
    async with running_site(documents, folder, program=_SMALL) as site:
        sampler = Sampler(site.stack)
        crowd = await send_crowd(
            site, buyers=round(_ARRIVALS_PER_S * seconds), seconds=seconds, seed=1, arrivals=Arrivals.RUSH
        )
        async with sampler.watching(), crowd.going():
            await _watch(site, crowd, site.stack.opens_s + seconds, seconds / _LOOKS, samples, loads)
    run = Run(
        evidence=evidence_of(site, sampler, crowd),
        opens_s=site.stack.opens_s,
        claim_within_s=documents.onsale.spec.admission.claim_within_s,
        ceiling=site_ceiling(),
        capacity=site_capacity(),
        tracebacks=tracebacks(folder),
    )
    return Soaked(samples, run, minutes, loads)


async def _watch(
    site: Site,
    crowd: Crowd,
    until_s: float,
    every_s: float,
    samples: list[Sample],
    loads: list[float],
) -> None:
    look_at_s = site.stack.opens_s
    while time.time() < until_s and not crowd.child.ended:
        await asyncio.sleep(EVERY_S)
        site.stack.check()
        if time.time() >= look_at_s:
            look_at_s += every_s
            samples.extend(_look(site))
            loads.append(os.getloadavg()[0])
    samples.extend(_look(site))  # whoever died since the last one is missed too


def _look(site: Site) -> Iterator[Sample]:
    """Look at each process; one that ends meanwhile is left out. Connections which others hold open to it are not its files."""
    now_s = time.time()
    of_others = {f"socket:[{inode}]" for inode in inbound(_socket_tables())}
    for name in _JUDGED:
        pids = [(name, site.pid(name))]
        if name in (ROOM, GATE):
            pids += [(f"{name} worker {number}", pid) for number, pid in enumerate(site.workers(name), 1)]
        for process, pid in pids:
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
                files = sum(_target(file) not in of_others for file in Path(f"/proc/{pid}/fd").iterdir())
            except OSError:
                continue
            yield Sample(now_s, process, pid, pages * _PAGE_BYTES, files)


def _socket_tables() -> list[str]:
    return [table.read_text(encoding="ascii") for table in map(Path, _SOCKET_TABLES) if table.exists()]


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # closed since
        return ""


def figures(soaked: Soaked) -> list[Figure]:
    """Return what is printed. What a figure may be at the most stands as the baseline."""
    began = datetime.fromtimestamp(soaked.run.opens_s, UTC)
    gone = ended(soaked.samples)
    seen = len({sample.pid for sample in soaked.samples})
    lines = [
        Figure("soak_minutes", soaked.minutes, "min", 1, note=f"{began:%Y-%m-%d}"),
        Figure("soak_workers", WORKERS, "processes", 1, note="of room and gate each"),
        Figure("soak_least_load", min(soaked.loads, default=0.0), "processes", len(soaked.loads)),
        Figure("soak_most_load", max(soaked.loads, default=0.0), "processes", len(soaked.loads)),
        Figure("soak_ended", len(gone), "processes", seen, baseline=0.0, note=", ".join(gone)),
    ]
    for drift in drifts(soaked.samples):
        lines += _of_process(drift)
    buyers = len(soaked.run.evidence.buyers)
    for name, wrong in soaked.wrongs.items():
        note = " ".join(" ".join(wrong.evidence[:1]).split())[:_SHOWN] if wrong.count else ""
        lines.append(Figure(name, wrong.count, _WRONGS[wrong.promise][1], buyers, baseline=0.0, note=note))
    return [*lines, Figure("soak_admitted", soaked.admitted, "buyers", buyers)]


def _of_process(drift: Drift) -> Iterator[Figure]:
    n, of = drift.samples, drift.process
    memory, files = drift.memory_growth, drift.files_growth
    yield Figure("soak_memory_at_first", drift.memory_at_first_kib, "KiB", n, of=of)
    yield Figure("soak_memory_at_half", drift.memory_at_half_kib, "KiB", n, of=of)
    yield Figure("soak_memory", drift.memory_kib, "KiB", n, of=of)
    limit = MEMORY_LIMIT_KIB_PER_MIN
    yield Figure("soak_memory_growth", memory.per_min, "KiB/min", n, of=of, baseline=limit)
    smallest = memory.smallest_seen(limit)
    yield Figure("soak_memory_smallest_seen", smallest, "KiB/min", n, of=of, baseline=RESTLESS * limit)
    yield Figure("soak_files", drift.files, "files", n, of=of)
    limit = FILES_LIMIT_PER_MIN
    yield Figure("soak_files_growth", files.per_min, "files/min", n, of=of, baseline=limit)
    smallest = files.smallest_seen(limit)
    yield Figure("soak_files_smallest_seen", smallest, "files/min", n, of=of, baseline=RESTLESS * limit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the sale goes on (20)")
    parser.add_argument("--json", type=written_file, metavar="FILE", help="write the lines to FILE as well")
    parser.add_argument(
        "--report", type=written_file, metavar="FILE", help="write what is found to FILE (Markdown)"
    )
    parser.add_argument(
        "--from",
        type=read_file,
        metavar="FILE",
        dest="from_file",
        help="run nothing, but report on the run whose lines are in FILE, which --json wrote",
    )
    options = parser.parse_args(arguments)
    if not 0.0 < options.minutes < math.inf:
        parser.error(f"argument --minutes: must be above 0, found {options.minutes:g}")
    if options.from_file:
        try:
            found = read_figures(options.from_file.read_text(encoding="utf-8").splitlines())
            text = page(found)
        except KeyError as error:
            parser.error(
                f"argument --from: {options.from_file} lacks the figure {error}; it is of another version"
            )
        except ValueError as error:
            parser.error(f"argument --from: {options.from_file}: {error}")
    else:
        try:
            found = _run(options.minutes)
        except (DemoError, SiteError) as error:
            sys.stderr.write(f"the sale was broken off: {error}\n")
            return BROKEN
        lines = "".join(figure.to_json() + "\n" for figure in found)
        sys.stdout.write(lines)
        if options.json:
            options.json.write_text(lines, encoding="utf-8")
        text = page(found)
    if options.report:
        options.report.write_text(text, encoding="utf-8")
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
