"""Each scenario of the demo with a small crowd: whatever befalls the sale, everybody is served, once, and in order."""

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
)
WITHIN_S = 400


async def play(report: Path, scenario: str, *options: str) -> dict[str, Any]:
    """Play a scenario to its end; it must end well, and leave nothing running."""
    crowd = ("--buyers", "150", "--seed", "5")
    async with a_demo(report, "--scenario", scenario, *crowd, *options) as process:
        output, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert (process.returncode, errors.decode()) == (0, ""), output.decode()
    document: dict[str, Any] = json.loads((report / "report.json").read_text())
    assert document["scenario"] == scenario
    assert [document[name] for name in PROMISES] == [0] * len(PROMISES)
    assert document["served"] + document["left"] == 150
    assert not processes_in(report)
    return document


def check_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in document["checks"] if each["name"] == name]
    return dict(found)


async def test_a_rush_that_nobody_announced_is_served(tmp_path: Path) -> None:
    document = await play(tmp_path, "rush")
    assert not document["capacity"]["has_prequeue"]
    assert document["replicas_max"] > document["replicas_min"]


async def test_a_killed_replica_costs_nobody_a_place(tmp_path: Path) -> None:
    document = await play(tmp_path, "replica-loss", "--seconds", "8")
    [setback] = document["capacity"]["setbacks"]
    assert setback["replicas"] == 1


async def test_a_shop_that_is_slower_than_the_rule_believes_is_given_less(tmp_path: Path) -> None:
    document = await play(tmp_path, "slow-shop", "--seconds", "5")
    assert document["capacity"]["rate_per_replica"] == 3.0


@pytest.mark.parametrize("options", [(), ("--keep-data",)], ids=["empty", "with its data"])
async def test_a_killed_store_costs_nobody_a_place(tmp_path: Path, options: tuple[str, ...]) -> None:
    """P8."""
    document = await play(tmp_path, "store-restart", "--seconds", "8", *options)
    [setback] = document["capacity"]["setbacks"]
    assert setback["replicas"] is None
    assert check_of(document, "the line went on")["held"]
    assert check_of(document, "nobody's turn was taken back")["held"]
