"""Writes the page of results, docs/closed-loop.md, with its plots: `python -m tests.benchmarks.onsale.report`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.onsale.benchmark import add_options, contests
from tests.benchmarks.onsale.contest import Contest
from tests.benchmarks.onsale.crowd import MEAN_PAUSE_S, NO_SHOWS, REQUESTS
from tests.benchmarks.onsale.pilots import MARGIN, READIED_S
from tests.benchmarks.onsale.scenarios import TERMS

DOCS = Path(__file__).resolve().parents[3] / "docs"
_NAMES = {
    "tidegate": "Tidegate",
    "tidegate-scheduled": "Tidegate, the hour in its rule",
    "hpa": "HPA alone",
    "fixed": "fixed rate + HPA",
    "prepared": "prepared: fixed rate, whole shop ordered before + HPA",
}
_COLOURS = {
    "tidegate": "#0a7d5a",
    "tidegate-scheduled": "#65a30d",
    "hpa": "#c2410c",
    "fixed": "#6d28d9",
    "prepared": "#0369a1",
}
_TITLES = {
    "rush": "Rush: everybody comes within the first minute",
    "prequeue": "Pre-queue: four of five wait for the opening, and are drawn",
    "replica-loss": "Replica loss: as the rush, and a replica dies after two minutes",
    "zone-loss": "Zone loss: as the rush, and half of the replicas die after two minutes",
    "slow-shop": "Slow shop: each request takes twice what the load test said",
}


def main() -> None:
    """Run every scenario, and write page and plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    options = parser.parse_args()
    done = list(contests(options))
    for each in done:
        _plot(each, DOCS / "img" / f"onsale-{each.scenario.name}.png")
    (DOCS / "closed-loop.md").write_text(_page(done, options.crowd, options.seed), encoding="utf-8")


def _page(done: Sequence[Contest], crowd: int, seed: int) -> str:
    terms = TERMS
    lines = [
        "# One loop against two systems",
        "",
        "Whole onsales in virtual time: the project's own release scripts (on a real Valkey whose clock is the simulation's), "
        "`decide` and the admission target, against a model shop. Made by one command, which also makes the plots:",
        "",
        "```sh",
        ".venv/bin/python -m tests.benchmarks.onsale.report",
        'make bench ARGS="onsale"                               # the figures as JSON lines',
        'make bench ARGS="onsale --seed 7 --crowd 30000"        # another crowd',
        'make bench ARGS="onsale --trace requests.csv"          # the hour around the peak of a recorded trace',
        "```",
        "",
        f"**The shop** has {terms.least} to {terms.most} replicas of {terms.workers} workers; a request takes "
        f"{1000 * terms.mean_service_s:.0f} ms on average (log-normal), a new replica {terms.startup_s:.0f} s to become ready. "
        f"The objective is an answer within {terms.slo_s:.0f} s. All replicas take from one line. "
        f"**The crowd** here: {crowd:,} buyers (seed {seed}), {REQUESTS} requests each with {MEAN_PAUSE_S:.0f} s of reading "
        f"between two on average; {100 * NO_SHOWS:.0f} % of those with a place never come back for it.",
        "",
        "**The contenders** face the same buyers:",
        "",
        f"- *Tidegate*: rule and waiting room as one loop. Its rule takes {100 * MARGIN:.0f} % of the rate that a load test "
        "of the shop showed to be within the objective. Nobody tells it the hour; where there is a pre-queue, it sees one.",
        f"- *Tidegate, the hour in its rule*: the same, and a line of `schedule` has the whole shop ordered {READIED_S:.0f} s "
        "before the opening.",
        "- *HPA alone*: 70 % utilisation, everything else as it comes, its default scale-down (a window of 300 s) among it; the "
        "crowd goes straight to the shop. Nobody gives up, nothing times out, and overload costs the shop nothing but time: this "
        "is kinder than reality. Most of its replica-hours above the optimum are that window's.",
        "- *Fixed rate + HPA*: a waiting room with a rate set by hand for what the whole shop takes, beside the same HPA with "
        "its default scale-down. Nobody has scaled the shop up beforehand.",
        f"- *Prepared*: what a team does that knows the hour and its shop. The rate is set by hand to {100 * MARGIN:.0f} % of "
        f"what the whole shop takes by the same load test; {READIED_S:.0f} s before the opening somebody raises the HPA's "
        f"minimum to the whole shop, and lowers it again {READIED_S:.0f} s after; the HPA has the scale-down of Tidegate's "
        "rule.",
        "- *The optimum*: the most replicas ordered at the opening (with a pre-queue: ready by then), each at the highest rate "
        "within the objective from the first second to the last; buyers need no time to react.",
        "",
        "*Drained* is the last checkout begun, *waited* all the time from arrival (or the opening) to the checkout that was not "
        "spent reading, *inversions* the share of pairs of buyers let in in the wrong order. Replica-hours count until the shop "
        "is at its least again.",
    ]
    for each in done:
        lines += ["", f"## {_TITLES.get(each.scenario.name, each.scenario.name)}", "", *_table(each), ""]
        lines.append(f"![Served, replicas and admission rate over time](img/onsale-{each.scenario.name}.png)")
    lines += [
        "",
        "## What buyers are told of their wait",
        "",
        "Each buyer asks on joining and again as often as the answer says. *First ranges held* is the share of buyers whose "
        "wait ended within the first range told, *later ones* the mean share of each buyer's later ranges that held; the *width* "
        "is that of the first ranges, high minus low, relative to the middle. Promised is that four in five hold; the aim for "
        "the width is 1 at most, ends a factor of three apart.",
        "",
        "| | | first ranges held | later ones | width |",
        "| --- | --- | ---: | ---: | ---: |",
        *(row for each in done for row in _told(each)),
        "",
        "A rise of the rate is known before it comes: the scaler tells the room how many replicas are ordered, how long they "
        "take to start, and by what law more are ordered as the backlog grows. Here no start has been seen when the sale begins, "
        "so that the rule's `lead` bounds it; a line that is short against a replica's start gets the widest ranges for it "
        "(`--crowd 3000` shows that). How slow a shop will turn out, and which replicas will die, nobody knows: the range "
        "is wider while the rate that is expected is one which the shop has not yet borne.",
        "",
        "## What to read from it",
        "",
        "- **A fixed rate that is well prepared does what Tidegate does, while its numbers are true.** With the hour known, a "
        "load test that was right and the whole shop ordered beforehand, it serves the pre-queue to the second as Tidegate "
        "does, and the rush sooner: Tidegate without the hour has four replicas when the doors open. (The optimum of a rush "
        "orders at the opening, so whoever orders before can be quicker than it.) The loss of one replica of twenty is within "
        "what the margin and the objective carry. Its shop costs a little more in the rush, a little less with a pre-queue. "
        "With the hour in its rule, Tidegate serves these three as the prepared one does (to two seconds), for more "
        "replica-hours: the floor holds until the last buyer has left. A crowd that turns out small (`--crowd 1000`) waits less "
        "before a whole shop, and makes it cost more: without the hour Tidegate orders what serves the line within "
        "`drainWithin`.",
        "- **What is left is the day on which the numbers are not true.** In the slow shop and in the zone loss the prepared "
        "rate goes on letting in what the shop took before; it drains sooner than the optimum, which keeps the objective, and "
        "nearly every request is late in the one, about every second in the other. Tidegate's rate follows what is ready and "
        "how fast it answers. And nobody has to know the hour, the size of the whole shop or the rate that goes with it: the "
        "rule says what one replica takes, and the rest is counted.",
        "- The hour in the rule has a price, too: a slow shop that opens with twenty replicas lets buyers in at five times the "
        "rate of one that opens with four, until its slowness shows.",
        "- Promise P11 asks for a drain within 10 % of the optimum and under 0.1 % of requests over the objective in the first "
        "three scenarios. Replica-hours depend on how long a sale lasts: the scale-down's window of a minute costs the same "
        "after a short one as after a long one, so they come out worse with a small crowd (`--crowd 3000`) than with a large.",
        "- The HPA alone drains as fast as anybody, because the model never punishes overload; but nearly every request of every "
        "buyer is late. A fixed rate is right only for one number of replicas, and without preparation that is not the number "
        "there is.",
        "- Slow shop and zone loss have no promise to keep. In the one the rate has to be found while buyers inside suffer "
        "from the one before; Tidegate finds it without being told, and drains near the optimum. In the other those who are "
        "inside have more requests than half a shop can answer, whatever the rate is. Requests are late meanwhile.",
        "",
        "The model leaves out images to pull, cold caches, noisy neighbours, databases, and buyers who give up.",
        "",
    ]
    return "\n".join(lines)


def _table(each: Contest) -> list[str]:
    rows = [
        "| | drained | / optimum | requests late | replica-hours / optimum | waited, mean | waited, p99 | inversions | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, scores in each.scores.items():
        rows.append(
            f"| {_NAMES[name]} | {scores.drain_s:.0f} s | {scores.drain_ratio:.2f} | {100 * scores.slo_violation_share:.3g} % "
            f"| {scores.replica_hours_ratio:.2f} | {scores.wait_mean_s:.0f} s | {scores.wait_p99_s:.0f} s "
            f"| {100 * scores.inversions:.2g} % | {scores.lost} |"
        )
    return [*rows, f"| the optimum | {each.best.drained_s:.0f} s | 1.00 | | 1.00 | | | | |"]


def _told(each: Contest) -> list[str]:
    return [
        f"| {each.scenario.name} | {_NAMES[name]} | {100 * told.first:.1f} % | {100 * told.later:.1f} % | {told.width:.2f} |"
        for name, scores in each.scores.items()
        if name.startswith("tidegate") and (told := scores.told) is not None
    ]


def _plot(each: Contest, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (served, replicas, rate) = plt.subplots(3, 1, figsize=(9, 7.5), sharex=True)
    last_s = 1.1 * max(scores.drain_s for scores in each.scores.values())
    for name, outcome in each.outcomes.items():
        moments = sorted(fate.checkout_s for fate in outcome.fates if fate.checkout_s is not None)
        style: dict[str, Any] = {"color": _COLOURS[name], "label": _NAMES[name]}
        served.plot(moments, range(1, len(moments) + 1), **style)
        replicas.step(*zip(*outcome.ready, strict=True), where="post", **style)
        if outcome.reasons:
            times = [entry[0] for entry in outcome.reasons]
            rate.step(
                [*times, last_s],
                [*(entry[1] for entry in outcome.reasons), outcome.reasons[-1][1]],
                where="post",
                **style,
            )
    served.axvline(each.best.drained_s, color="#555", linestyle=":", label="drained at best")
    for axes, title in (
        (served, "checkouts begun"),
        (replicas, "ready replicas"),
        (rate, "admission rate, buyers/s"),
    ):
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
    served.legend(loc="lower center", bbox_to_anchor=(0.5, 1.02), ncols=2, fontsize=8)
    rate.set_xlabel("seconds from the opening")
    rate.set_xlim(each.scenario.begins_s if each.scenario.prequeue else -30, last_s)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
