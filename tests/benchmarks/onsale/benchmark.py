"""The benchmark's figures: every contender on every scenario, beside the optimum."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rulebook.simulation import Trace, TraceError, parse_trace
from tests.benchmarks.figures import Figure
from tests.benchmarks.onsale.contest import CONTENDERS, Contest, Scores, believed_rate, contest
from tests.benchmarks.onsale.sale import Scenario
from tests.benchmarks.onsale.scenarios import SCENARIOS, TERMS, trace_scenario
from tests.files import read_file


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    group = parser.add_argument_group("onsale")
    group.add_argument("--crowd", type=int, default=12_000, help="buyers who come (12000)")
    group.add_argument("--seed", type=int, default=1, help="of the crowd and the shop's service times (1)")
    group.add_argument(
        "--scenario", choices=SCENARIOS, action="append", help="only this one; may be repeated"
    )
    group.add_argument(
        "--trace",
        type=_trace,
        metavar="FILE",
        help="a recorded request rate: the hour around its peak, scaled to the shop",
    )


def contests(options: argparse.Namespace) -> Iterator[Contest]:
    """Run what the options ask for, one scenario at a time."""
    believed = believed_rate(TERMS, options.seed)
    for scenario in _scenarios(options, TERMS.most * believed):
        true = believed / scenario.terms.slowdown
        yield contest(scenario, options.seed, believed_per_s=believed, true_per_s=true, contenders=CONTENDERS)


def onsale(options: argparse.Namespace) -> list[Figure]:
    """Run the closed loop, and return the figures of each contender on each scenario."""
    return [
        figure
        for each in contests(options)
        for scores in each.scores.values()
        for figure in _figures(each, scores)
    ]


def _trace(text: str) -> Trace:
    """Read a trace while the options are read, not after half of the benchmarks.

    Raises:
        argparse.ArgumentTypeError: it cannot be used.
    """
    file = read_file(text)
    try:
        return parse_trace(file.read_text(encoding="utf-8"), file.stem)
    except (UnicodeDecodeError, TraceError) as error:
        raise argparse.ArgumentTypeError(f"the trace cannot be used: {error}") from error


def _scenarios(options: argparse.Namespace, buyers_per_s: float) -> list[Scenario]:
    if options.trace is not None:
        return [trace_scenario(options.trace, buyers_per_s, options.seed)]
    return [SCENARIOS[name](options.crowd, options.seed) for name in options.scenario or SCENARIOS]


def _figures(each: Contest, scores: Scores) -> Iterator[Figure]:
    of, buyers = f"{each.scenario.name}, {scores.contender}", len(each.scenario.buyers)
    best_s = each.best.drained_s
    hours = each.best.replica_seconds(each.outcomes[scores.contender].small_again_s) / 3600.0
    yield Figure(
        "onsale_drain_ratio", scores.drain_ratio, "ratio", buyers, best_s, scores.drain_ratio,
        f"{scores.drain_s:.0f} s, {best_s:.0f} s at best", of,
    )  # fmt: skip
    yield Figure("onsale_slo_violation_share", scores.slo_violation_share, "fraction", buyers, of=of)
    yield Figure(
        "onsale_replica_hours_ratio", scores.replica_hours_ratio, "ratio", buyers, hours,
        scores.replica_hours_ratio, f"{scores.replica_hours:.2f} replica-hours", of,
    )  # fmt: skip
    yield Figure("onsale_wait_mean", scores.wait_mean_s, "s", buyers, of=of)
    yield Figure("onsale_wait_p99", scores.wait_p99_s, "s", buyers, of=of)
    yield Figure("onsale_inversions", scores.inversions, "fraction of pairs", buyers, of=of)
    yield Figure("onsale_lost_places", scores.lost, "buyers", buyers, of=of)
    yield Figure("onsale_over_admitted", scores.over_admitted, "buyers", buyers, of=of)
    if scores.told is not None:
        told = scores.told
        yield Figure(
            "onsale_eta_coverage", min(told.first, told.later), "share of buyers", told.buyers,
            note=f"first ranges told {told.first:.1%}, later ones {told.later:.1%}", of=of,
        )  # fmt: skip
        yield Figure("onsale_eta_width_ratio", told.width, "(high - low) / middle", told.buyers, of=of)
