"""Measures what the design promises: `python -m tests.benchmarks [names...]` prints one JSON line a figure."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks import web
from tests.benchmarks.admission import admission
from tests.benchmarks.decide import decide_cost
from tests.benchmarks.eta import eta
from tests.benchmarks.figures import Figure
from tests.benchmarks.loop import loop
from tests.benchmarks.memory import memory
from tests.benchmarks.neighbours import neighbours
from tests.benchmarks.onsale.benchmark import add_options, onsale
from tests.benchmarks.versus import Effort

Benchmark = Callable[[argparse.Namespace], list[Figure]]

BENCHMARKS: Mapping[str, Benchmark] = {
    "status": lambda options: web.status(_effort(options)),
    "join": lambda options: web.join(_effort(options)),
    "gate": lambda options: web.gate(_effort(options)),
    "memory": lambda options: memory(options.buyers),
    "admission": lambda options: admission(options.seconds),
    "decide": lambda options: decide_cost(options.rounds, options.decisions),
    "eta": lambda options: eta(options.share),
    "neighbours": lambda options: neighbours(_effort(options)),
    "onsale": onsale,
    "loop": lambda options: loop(options.rules, options.intervals),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that are named, or all."""
    options = _parser().parse_args(arguments)
    lines = []
    for name in options.names or BENCHMARKS:
        for figure in BENCHMARKS[name](options):
            lines.append(figure.to_json() + "\n")
            sys.stdout.write(lines[-1])
            sys.stdout.flush()
    if options.json:
        options.json.write_text("".join(lines))


def _effort(options: argparse.Namespace) -> Effort:
    return Effort(options.rounds, options.window, options.connections)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *BENCHMARKS], metavar="name", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to FILE as well")
    parser.add_argument("--rounds", type=int, default=20, help="windows for each of two servers (20)")
    parser.add_argument(
        "--window", type=float, default=0.5, metavar="SECONDS", help="length of a window (0.5)"
    )
    parser.add_argument("--connections", type=int, default=64, help="buyers asking at once (64)")
    parser.add_argument("--buyers", type=int, default=1_000_000, help="how many join for `memory` (1000000)")
    parser.add_argument("--decisions", type=int, default=5_000, help="decisions a window for `decide` (5000)")
    parser.add_argument(
        "--share", type=int, default=1, help="play `eta` at one part in so many of its size (1)"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long `admission` releases (60)")
    parser.add_argument("--rules", type=int, default=1000, help="rules of the scaler for `loop` (1000)")
    parser.add_argument("--intervals", type=int, default=100, help="rounds of each for `loop` (100)")
    add_options(parser)
    return parser


if __name__ == "__main__":
    # A run that is told to end must still stop the servers which it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
