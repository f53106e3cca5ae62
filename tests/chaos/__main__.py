"""Sales that go wrong, one fault each: `python -m tests.chaos [--seeds 1 2 3] [--only NAME ...] [--json FILE] [--report FILE]`.

All faults are played with the first seed, then with the next. Files are written after each sale, so that a run which is broken
off leaves what it has seen. The exit status is 1 if any promise was broken, a fault did not take hold, or not everything was
played that was asked for. Logs and records of a sale that was broken off or did not hold stay in a folder that its line names;
those of the others are removed, unless `--keep` says where to keep all.
"""

from __future__ import annotations

import argparse
import math
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

import uvloop

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.report import Played, line_of, page, read_line, setting_now, told
from tests.chaos.runningsite import SiteError
from tests.chaos.sale import play
from tests.chaos.verdict import judge
from tests.files import read_file, written_file
from tidegate.demo.errors import DemoError

BROKEN = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is asked for; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        sys.stdout.writelines(f"{fault.name:24} {fault.title}\n" for fault in FAULTS.values())
        return 0
    if options.add:
        return _tell_of(options, parser)
    plan = _plan(options)
    _check(options, plan, parser)
    played: list[Played] = []
    begun_s = monotonic()
    for fault, seed in plan:
        if monotonic() - begun_s > options.minutes * 60.0:
            break
        one = _play(fault, seed, options.keep)
        played.append(one)
        sys.stdout.write(told(one) + "\n")
        sys.stdout.flush()
        _write(options, played, _origin(options, plan[len(played) :]))
    return _status(played, plan[len(played) :])


def _check(
    options: argparse.Namespace, plan: Sequence[tuple[Fault, int]], parser: argparse.ArgumentParser
) -> None:
    """Refuse what would show nothing, or fail after hours."""
    if not plan:
        parser.error("nothing is left to play: --skip leaves out all that --only names")
    if not options.minutes > 0.0:
        parser.error(f"argument --minutes: must be above 0, found {options.minutes:g}")
    if options.keep is None:
        return
    try:
        options.keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --keep: cannot make the folder {options.keep}: {error.strerror}")
    for fault, seed in plan:
        folder = _kept(options.keep, fault, seed)
        if folder.exists():
            parser.error(f"argument --keep: {folder} is there already, from another run")


def _tell_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Tell of sales that were played before; returns the exit status."""
    played = []
    for file in options.add:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                played.append(read_line(line))
            except (KeyError, TypeError, ValueError) as error:
                parser.error(f"argument --add: {file}:{number} tells of no sale that is known here: {error}")
    if not played:
        parser.error("argument --add: there is no sale in these files")
    origin = "Put together from the records of several runs (`--add`)."
    there = {one.fault.name for one in played}
    missing = ", ".join(f"`{name}`" for name in FAULTS if name not in there)
    if missing:
        origin += f" **No sale was played with {missing}.**"
    _write(options, played, origin)
    return _status(played, [])


def _plan(options: argparse.Namespace) -> list[tuple[Fault, int]]:
    """List the sales in their order."""
    names = [name for name in options.only or FAULTS if name not in options.skip]
    return list(dict.fromkeys((FAULTS[name], seed) for seed in options.seeds for name in names))


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


def _status(played: Sequence[Played], left: Sequence[tuple[Fault, int]]) -> int:
    """Say on the last line what was not played, as it has shown nothing; returns the exit status."""
    missing = [f"{one.fault.name} with seed {one.seed} ({one.skipped})" for one in played if one.skipped]
    missing += [f"{fault.name} with seed {seed} (the time was up)" for fault, seed in left]
    if missing:
        sys.stdout.write(f"NOT PLAYED: {', '.join(missing)}\n")
    broken = any(not one.held and not one.skipped and not one.replaced for one in played)
    return BROKEN if broken or missing else 0


def _write(options: argparse.Namespace, played: Sequence[Played], origin: str) -> None:
    if options.json:
        options.json.write_text("".join(line_of(one) + "\n" for one in played), encoding="utf-8")
    if options.report:
        options.report.write_text(page(played, origin), encoding="utf-8")


def _play(fault: Fault, seed: int, keep: Path | None) -> Played:
    reason = fault.skip()
    if reason:
        return Played(fault, seed, skipped=reason)
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix=f"tidegate-chaos-{fault.name}-{seed}-"))
    else:
        folder = _kept(keep, fault, seed)
        folder.mkdir(parents=True)
    try:
        one = _play_in(folder, fault, seed)
    except BaseException:
        # Whoever ends a sale that hangs wants to know why, and an error of ours is none of the sale's.
        sys.stderr.write(f"{fault.name} with seed {seed} was not played to its end; kept in {folder}\n")
        raise
    if keep is None and one.held:
        shutil.rmtree(folder)
        return one
    return replace(one, kept_in=str(folder))


def _play_in(folder: Path, fault: Fault, seed: int) -> Played:
    try:
        run = uvloop.run(play(fault, seed, folder))
    except (DemoError, SiteError) as error:
        return Played(fault, seed, broken_off=str(error), setting=setting_now())
    # Before the judging, which takes a while and loads the machine with nothing of the sale's.
    setting = setting_now()
    return Played(fault, seed, verdict=judge(run), setting=setting)


def _kept(keep: Path, fault: Fault, seed: int) -> Path:
    return keep / f"{fault.name}-{seed}"


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
    parser.add_argument(
        "--json", type=written_file, metavar="FILE", help="write a JSON line for each sale to FILE"
    )
    parser.add_argument(
        "--report", type=written_file, metavar="FILE", help="write what is found to FILE (Markdown)"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep logs and records of all sales, each in a new folder in DIR",
    )
    parser.add_argument(
        "--add",
        type=read_file,
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
