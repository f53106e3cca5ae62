"""Sales that go wrong, one fault each: `python -m tests.chaos [--seeds 1 2 3] [--only NAME ...] [--json FILE] [--report FILE]`.

All faults are played with the first seed, then with the next. Files are written after each sale, so that a run which is broken
off leaves what it has seen. The exit status is 1 if any promise was broken.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import uvloop

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.report import Played, line_of, page, read_line, setting_now, told
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
    if options.add:
        played = [
            read_line(line) for file in options.add for line in file.read_text(encoding="utf-8").splitlines()
        ]
        _write(options, played, "Put together from the records of several runs (`--add`).")
        return _status(played)
    plan = _plan(options)
    played = []
    begun_s = monotonic()
    for fault, seed in plan:
        if monotonic() - begun_s > options.minutes * 60.0:
            break
        one = _play(fault, seed, options.keep)
        played.append(one)
        sys.stdout.write(told(one) + "\n")
        sys.stdout.flush()
        _write(options, played, _origin(options, plan[len(played) :]))
    return _status(played)


def _plan(options: argparse.Namespace) -> list[tuple[Fault, int]]:
    """List the sales in their order."""
    names = [name for name in options.only or FAULTS if name not in options.skip]
    return [(FAULTS[name], seed) for seed in options.seeds for name in names]


def _origin(options: argparse.Namespace, left: Sequence[tuple[Fault, int]]) -> str:
    """Say by which command sales were played, and which of those it should play were not."""
    command = ["python -m tests.chaos --seeds", *map(str, options.seeds)]
    for option, names in (("--only", options.only), ("--skip", options.skip)):
        command += [option, *names] if names else []
    if options.minutes < math.inf:
        command += ["--minutes", f"{options.minutes:g}"]
    text = f"Played by `{' '.join(command)}`."
    if left:
        missing = ", ".join(f"`{fault.name}` with seed {seed}" for fault, seed in left)
        text += f" **It ended before all were played; missing: {missing}.**"
    return text


def _status(played: Sequence[Played]) -> int:
    return BROKEN if any(not one.held and not one.replaced for one in played) else 0


def _write(options: argparse.Namespace, played: Sequence[Played], origin: str) -> None:
    if options.json:
        options.json.write_text("".join(line_of(one) + "\n" for one in played), encoding="utf-8")
    if options.report:
        options.report.write_text(page(played, origin), encoding="utf-8")


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
            return Played(fault, seed, broken_off=str(error), setting=setting_now())
        setting = (
            setting_now()
        )  # before the judging, which takes a while and loads the machine with nothing of the sale's
    return Played(fault, seed, verdict=judge(run), setting=setting)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1], help="each fault is played with each (1)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(FAULTS), metavar="NAME", help="these faults alone; see --list"
    )
    parser.add_argument(
        "--skip", nargs="+", choices=list(FAULTS), default=[], metavar="NAME", help="all but these faults"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, metavar="N", help="begin no other sale after N minutes"
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
        help="play nothing, but tell of the sales in these files, which --json wrote; a sale to whose line someone has added "
        'a reason as "replaced" is told of and not counted',
    )
    return parser


if __name__ == "__main__":
    # A run that is told to end must still stop the processes which it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
