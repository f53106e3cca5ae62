"""What can be played: how the crowd comes, and what befalls the shop or the store in mid-sale. Names and numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.demo.errors import DemoError
from tidegate.demo.shapes import Arrivals

MID_SALE_SHARE = 0.3
"""What befalls a sale does so when this share of all buyers has been served."""


class Blow(StrEnum):
    """What befalls a sale."""

    REPLICA_KILLED = "replica-killed"
    STORE_KILLED = "store-killed"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way a sale can go.

    `seconds` is over how long the crowd arrives unless something else is asked for; `slowdown` is how many times as long a
    checkout takes as the rule believes.
    """

    name: str
    title: str
    arrivals: Arrivals = Arrivals.FESTIVAL
    seconds: float = 45.0
    slowdown: float = 1.0
    blow: Blow | None = None


FESTIVAL = Scenario("festival", "a pre-queue, a rush at the opening and a long tail")
RUSH = Scenario("rush", "nobody is early, all come in the first seconds", Arrivals.RUSH, seconds=5.0)
REPLICA_LOSS = Scenario(
    "replica-loss", "a replica is killed in mid-sale", seconds=20.0, blow=Blow.REPLICA_KILLED
)
SLOW_SHOP = Scenario(
    "slow-shop", "checkouts take twice the time the rule believes", seconds=20.0, slowdown=2.0
)
STORE_RESTART = Scenario(
    "store-restart", "the store is killed in mid-sale and started again", seconds=20.0, blow=Blow.STORE_KILLED
)

SCENARIOS = {each.name: each for each in (FESTIVAL, RUSH, REPLICA_LOSS, SLOW_SHOP, STORE_RESTART)}


def find_scenario(name: str) -> Scenario:
    """Look a scenario up.

    Raises:
        DemoError: there is none of this name.
    """
    try:
        return SCENARIOS[name]
    except KeyError:
        raise DemoError(f"--scenario must be one of {', '.join(SCENARIOS)}, not {name}") from None
