"""Sales that go wrong, one fault each: `python -m tests.chaos [--seeds 1 2 3] [--only NAME ...] [--json FILE] [--report FILE]`.

The exit status is 1 if any promise was broken.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.report import Played, line_of, page, read_line, told
from tests.chaos.runningsite import SiteError
from tests.chaos.sale import play
from tests.chaos.verdict import judge
from tidegate.demo.errors import DemoError

BROKEN = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is asked for; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        sys.stdout.writelines(f"{fault.name:24} {fault.title}\n" for fault in FAULTS.values())
        return 0
    played = [
        read_line(line) for file in options.add for line in file.read_text(encoding="utf-8").splitlines()
    ]
    for name in [] if options.add else options.only or FAULTS:
        for seed in options.seeds:
            one = _play(FAULTS[name], seed, options.keep)
            played.append(one)
            sys.stdout.write(told(one) + "\n")
            sys.stdout.flush()
            _write(options, played)  # after each, so that a run which is broken off leaves what it has seen
    _write(options, played)
    return BROKEN if any(not one.held for one in played) else 0


def _write(options: argparse.Namespace, played: Sequence[Played]) -> None:
    if options.json:
        options.json.write_text("".join(line_of(one) + "\n" for one in played), encoding="utf-8")
    if options.report:
        options.report.write_text(page(played, _command(options, played)), encoding="utf-8")


def _play(fault: Fault, seed: int, keep: Path | None) -> Played:
    reason = fault.skip()
    if reason:
        return Played(fault, seed, skipped=reason)
    with tempfile.TemporaryDirectory(prefix="tidegate-chaos-") as temporary:
        folder = Path(temporary) if keep is None else keep / f"{fault.name}-{seed}"
        folder.mkdir(parents=True, exist_ok=keep is None)
        try:
            run = uvloop.run(play(fault, seed, folder))
        except (DemoError, SiteError) as error:
            return Played(fault, seed, broken_off=str(error))
    return Played(fault, seed, verdict=judge(run))


def _command(options: argparse.Namespace, played: Sequence[Played]) -> str:
    only = f" --only {' '.join(options.only)}" if options.only else ""
    seeds = " ".join(map(str, sorted({one.seed for one in played})))
    return f"python -m tests.chaos --seeds {seeds}{only}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1], help="each fault is played with each (1)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(FAULTS), metavar="NAME", help="these faults alone; see --list"
    )
    parser.add_argument("--list", action="store_true", help="name the faults and do nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a JSON line for each sale to FILE")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what is found to FILE (Markdown)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep logs and records in a new folder in DIR"
    )
    parser.add_argument(
        "--add",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="play nothing, but tell of the sales in these files, which --json wrote",
    )
    return parser


if __name__ == "__main__":
    # A run that is told to end must still stop the processes which it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
