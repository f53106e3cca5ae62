"""Who comes, when, and how they behave: the plan of a crowd, drawn from a seed. It opens no socket and reads no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

PREQUEUE_SHARE = 0.3
RUSH_SHARE = 0.4
PREQUEUE_SPREAD_S = 8.0
RUSH_MEANS_PER_RUN = 12
"""The rush ebbs away exponentially, with a mean of a twelfth of the run."""

REFRESHER_SHARE = 0.08
LEAVER_SHARE = 0.06
TWO_TABS_SHARE = 0.06

THINK_S = (0.2, 1.0)
"""How long a buyer looks at a page of the shop, between landing and seats, and between seats and checkout."""

MINIMUM_IN_SHOP_S = 2 * THINK_S[0]
"""No checkout begins earlier than this after its buyer was let in."""


class Arrivals(StrEnum):
    """When a crowd comes: some before the opening and the rest after it, or all of them right at it."""

    FESTIVAL = "festival"
    RUSH = "rush"


class Kind(StrEnum):
    """How a buyer behaves in the line."""

    PLAIN = "plain"
    REFRESHER = "refresher"
    LEAVER = "leaver"
    TWO_TABS = "two-tabs"


@dataclass(frozen=True, slots=True)
class BuyerPlan:
    """One buyer: `arrive_at_s` counts from the opening, negative before it; `seed` feeds the buyer's own small choices."""

    buyer: int
    arrive_at_s: float
    kind: Kind
    seed: int

    @property
    def stays(self) -> bool:
        """Whether this buyer wants to be served at all."""
        return self.kind is not Kind.LEAVER


def plan(buyers: int, seconds: float, seed: int, arrivals: Arrivals = Arrivals.FESTIVAL) -> list[BuyerPlan]:
    """Draw a crowd, in order of arrival.

    A festival's is a pre-queue, a rush at the opening, and a tail over the whole run; a rush's is spread evenly over `seconds`
    from the opening on.
    """
    dice = random.Random(seed)
    if arrivals is Arrivals.RUSH:
        times_s = [dice.uniform(0.0, seconds) for _ in range(buyers)]
    else:
        times_s = _festival(buyers, seconds, dice)
    return [
        BuyerPlan(buyer, arrive_at_s, kind, dice.getrandbits(32))
        for buyer, (arrive_at_s, kind) in enumerate(zip(sorted(times_s), _kinds(buyers, dice), strict=True))
    ]


def _festival(buyers: int, seconds: float, dice: random.Random) -> list[float]:
    early, rushing = round(buyers * PREQUEUE_SHARE), round(buyers * RUSH_SHARE)
    mean_s = seconds / RUSH_MEANS_PER_RUN
    times_s = [-dice.uniform(0.0, PREQUEUE_SPREAD_S) for _ in range(early)]
    times_s += [min(dice.expovariate(1.0 / mean_s), seconds) for _ in range(rushing)]
    times_s += [dice.uniform(0.0, seconds) for _ in range(buyers - early - rushing)]
    return times_s


def _kinds(buyers: int, dice: random.Random) -> list[Kind]:
    shares = {Kind.REFRESHER: REFRESHER_SHARE, Kind.LEAVER: LEAVER_SHARE, Kind.TWO_TABS: TWO_TABS_SHARE}
    kinds = [kind for kind, share in shares.items() for _ in range(round(buyers * share))]
    kinds += [Kind.PLAIN] * (buyers - len(kinds))
    dice.shuffle(kinds)
    return kinds
