"""Each scenario of the demo: whatever befalls the sale, all are served, once, and in order; and it shows what it is for.

Limits of time are wide, as crowd, shop and system share one machine: they tell a system that answers from one that does not.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_demo_run import a_demo, processes_in

pytestmark = [pytest.mark.slow, pytest.mark.scenarios]

PROMISES = (
    "unserved",
    "lost_places",
    "over_admitted",
    "double_claims",
    "shared_sessions",
    "order_violations",
    "turns_withdrawn",
)
BUYERS = 600
WITHIN_S = 400
MOST_TIMES_THE_OPTIMUM = 1.75
"""How much longer than at best a crowd may take: 1.1 to 1.5 were seen; the least shop would take 2.8 times as long in a rush."""


async def play(report: Path, scenario: str, *options: str, buyers: int = BUYERS) -> dict[str, Any]:
    """Play a scenario to its end; it must end well, and leave nothing running."""
    crowd = ("--buyers", str(buyers), "--seed", "5")
    async with a_demo(report, "--scenario", scenario, *crowd, *options) as process:
        output, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert (process.returncode, errors.decode()) == (0, ""), output.decode()
    document: dict[str, Any] = json.loads((report / "report.json").read_text())
    assert document["scenario"] == scenario
    assert {name: document[name] for name in PROMISES} == dict.fromkeys(PROMISES, 0)
    assert document["served"] + document["left"] == buyers
    assert not processes_in(report)
    return document


def check_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in document["checks"] if each["name"] == name]
    return dict(found)


def figures_of(document: dict[str, Any], name: str) -> dict[str, float]:
    """Return the figures of a check, whether or not it held on this machine."""
    return dict(check_of(document, name)["figures"])


async def test_a_rush_that_nobody_announced_is_served_by_the_whole_shop(tmp_path: Path) -> None:
    document = await play(tmp_path, "rush")
    assert not document["capacity"]["has_prequeue"]
    most, least = document["capacity"]["max_replicas"], document["capacity"]["min_replicas"]
    assert (document["replicas_min"], document["replicas_max"]) == (least, most)
    assert document["ratio"] <= MOST_TIMES_THE_OPTIMUM, document["checks"]


async def test_the_rate_falls_with_a_killed_replica_and_comes_back_with_the_next(tmp_path: Path) -> None:
    document = await play(tmp_path, "replica-loss")
    [setback] = document["capacity"]["setbacks"]
    assert setback["replicas"] == 1
    fell = figures_of(document, "the rate fell within one interval")
    assert fell["to_ready"] == fell["from_ready"] - 1, document["checks"]
    assert fell["to_per_s"] <= fell["from_per_s"] * fell["to_ready"] / fell["from_ready"] + 0.001
    assert fell["after_s"] <= 3.0, document["checks"]
    assert figures_of(document, "the rate came back")["after_s"] <= 12.0, document["checks"]
    assert document["ratio"] <= MOST_TIMES_THE_OPTIMUM, document["checks"]


async def test_a_shop_slower_than_the_rule_believes_is_given_less_and_buyers_read_why(tmp_path: Path) -> None:
    document = await play(tmp_path, "slow-shop", buyers=2 * BUYERS)
    assert document["capacity"]["rate_per_replica"] == 3.0
    lowered = figures_of(document, "the rate was lowered because the shop was slow")
    assert lowered["to_per_s"] <= 0.5 * lowered["from_per_s"], document["checks"]
    assert figures_of(document, "buyers in line were told so")["buyers"] >= BUYERS / 4, document["checks"]
    # 7 s at the worst; the rate is raised again until the objective is near, so the last may miss it by a little.
    assert figures_of(document, "the shop came back within its objective")["last_p95_s"] <= 3.5, document[
        "checks"
    ]


@pytest.mark.parametrize(
    ("options", "within_s"),
    [pytest.param((), 15.0, id="empty"), pytest.param(("--keep-data",), 5.0, id="with its data")],
)
async def test_a_killed_store_costs_nobody_a_place_and_the_line_goes_on(
    tmp_path: Path, options: tuple[str, ...], within_s: float
) -> None:
    """P8."""
    document = await play(tmp_path, "store-restart", *options)
    [setback] = document["capacity"]["setbacks"]
    assert setback["replicas"] is None
    assert figures_of(document, "the line went on")["after_s"] <= within_s, document["checks"]
    assert check_of(document, "nobody's turn was taken back")["held"], document["checks"]
    assert figures_of(document, "nobody's turn was taken back")["epochs"] == 2, document["checks"]
    assert check_of(document, "buyers inside went on shopping")["held"], document["checks"]
    assert document["room_errors"] > 0
    assert document["ratio"] <= MOST_TIMES_THE_OPTIMUM, document["checks"]
