"""Measures what the design promises: `python -m tests.benchmarks [names...]` prints one JSON line a figure."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import uvloop

from tests.benchmarks import web
from tests.benchmarks.admission import admission
from tests.benchmarks.aims import broken
from tests.benchmarks.decide import decide_cost
from tests.benchmarks.eta import eta
from tests.benchmarks.figures import Figure
from tests.benchmarks.listeners import listeners
from tests.benchmarks.loop import loop
from tests.benchmarks.machine import machine
from tests.benchmarks.memory import memory
from tests.benchmarks.neighbours import neighbours
from tests.benchmarks.onsale.benchmark import add_options, onsale
from tests.benchmarks.scripts import scripts
from tests.benchmarks.sizes import FULL, Sizes
from tests.benchmarks.versus import Effort
from tests.files import written_file
from tidegate.bench.crowd import play_crowds
from tidegate.bench.options import CrowdOptions

Benchmark = Callable[[argparse.Namespace], list[Figure]]

BENCHMARKS: Mapping[str, Benchmark] = {
    "machine": lambda options: machine(),
    "status": lambda options: web.status(_effort(options)),
    "join": lambda options: web.join(_effort(options)),
    "gate": lambda options: web.gate(_effort(options)),
    "memory": lambda options: memory(options.buyers),
    "scripts": lambda options: scripts(options.buyers, options.calls),
    "admission": lambda options: admission(options.seconds),
    "decide": lambda options: decide_cost(options.rounds, options.decisions),
    "eta": lambda options: eta(options.share),
    "neighbours": lambda options: neighbours(_effort(options)),
    "listeners": lambda options: listeners(options.listeners, options.watch),
    "onsale": onsale,
    "crowd": lambda options: _crowd(options),  # noqa: PLW0108 - stands below
    "loop": lambda options: loop(options.rules, options.intervals),
}

_HELP = {
    "rounds": "windows for each of two servers",
    "window": "length of a window in seconds",
    "connections": "buyers asking at once",
    "buyers": "how many join for `memory`, `scripts` and `crowd`",
    "seconds": "how long `admission` releases",
    "decisions": "decisions a window for `decide`",
    "share": "play `eta` at one part in so many of its size",
    "rules": "rules of the scaler for `loop`",
    "intervals": "rounds of each rule for `loop`",
    "calls": "calls of each script for `scripts`",
    "joins": "buyers/s who come to `crowd`",
    "watch": "seconds for which `crowd` and `listeners` are watched",
    "listeners": "how many listen for `listeners`",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that are named, or all: one that cannot be run does not keep the others from running.

    Raises:
        SystemExit: with status 1, at the end, if one of them could not be run, or measured what breaks a promise on any
            machine: what has to be nought and is not, P1, P5.
    """
    options = _parser().parse_args(arguments)
    lines = []
    measured: list[Figure] = []
    failed = False
    for name in options.names or BENCHMARKS:
        began_s = time.monotonic()
        try:
            figures = BENCHMARKS[name](options)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a missing program skips as a test does, and that is no Exception
            failed = True
            sys.stderr.write(f"{name} was not measured: {type(error).__name__}: {error}\n")
            continue
        sys.stderr.write(f"{name} took {time.monotonic() - began_s:.0f} s\n")
        measured += figures
        for figure in figures:
            lines.append(figure.to_json() + "\n")
            sys.stdout.write(lines[-1])
            sys.stdout.flush()
        if options.json:
            # After each of them, so that a run which is cut short leaves what it has measured.
            options.json.write_text("".join(lines))
    misses = broken(measured)
    for miss in misses:
        sys.stderr.write(f"broken: {miss}\n")
    if failed or misses:
        sys.exit(1)


def arguments_of(sizes: Sizes) -> list[str]:
    """Return sizes as arguments of the command."""
    return [part for name, value in asdict(sizes).items() for part in (f"--{name}", str(value))]


def _effort(options: argparse.Namespace) -> Effort:
    return Effort(options.rounds, options.window, options.connections)


def _crowd(options: argparse.Namespace) -> list[Figure]:
    crowd = CrowdOptions(buyers=options.buyers, joins_per_s=options.joins, seconds=options.watch)
    return uvloop.run(play_crowds(crowd, lambda _: None))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *BENCHMARKS], metavar="name", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--json", type=written_file, metavar="FILE", help="write the lines to FILE as well")
    for name, value in asdict(FULL).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{_HELP[name]} ({value})")
    add_options(parser)
    return parser


if __name__ == "__main__":
    # A run that is told to end must still stop the servers which it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
