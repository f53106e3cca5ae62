"""How fast a count may change: HPA v2 scaling rules, their defaults, policies over past events, and the built-in limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rulebook.events import ScaleEvent, change_within
from rulebook.ratio import MAX_REPLICAS, ceil_count
from rulebook.rule import ScalingRules

Direction: TypeAlias = Literal["up", "down"]
LimitReason: TypeAlias = Literal[
    "DesiredWithinRange", "ScaleUpLimit", "ScaleDownLimit", "TooManyReplicas", "TooFewReplicas"
]

CONTROLLER_DOWN_WINDOW_S: Final = 300.0
"""The scale-down window where a rule names none."""


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `value` replicas, or percent, within `period_s`."""

    type: Literal["Pods", "Percent"]
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction's rules; None is what is not set."""

    window_s: float | None = None
    select: Literal["Max", "Min", "Disabled"] | None = None
    policies: tuple[Policy, ...] | None = None
    tolerance: float | None = None

    @property
    def longest_period_s(self) -> float:
        """The longest period of the policies; events older than that are outdated."""
        return max((policy.period_s for policy in self.policies or ()), default=0.0)


@dataclass(frozen=True, slots=True)
class Limited:
    """A count within its limits: `allowed` is what policies alone would let through."""

    replicas: int
    reason: LimitReason
    allowed: int
    limit: int


def rules_of(document: ScalingRules | None) -> Rules | None:
    """Take the rules out of a document."""
    if document is None:
        return None
    policies = document.policies
    return Rules(
        window_s=document.stabilization_window_seconds,
        select=document.select_policy,
        policies=None
        if policies is None
        else tuple(Policy(policy.type, policy.value, policy.period_seconds) for policy in policies),
        tolerance=document.tolerance,
    )


def fill_defaults(direction: Direction, rules: Rules | None) -> Rules:
    """Fill what is not set. Policies are replaced as a whole, never merged."""
    given = rules or Rules()
    percent = Policy("Percent", 100, 15)
    policies = (Policy("Pods", 4, 15), percent) if direction == "up" else (percent,)
    return Rules(
        window_s=0 if given.window_s is None and direction == "up" else given.window_s,
        select=given.select or "Max",
        policies=policies if given.policies is None else given.policies,
        tolerance=given.tolerance,
    )


def rate_limit(
    direction: Direction,
    current: int,
    rules: Rules,
    up_events: Sequence[ScaleEvent],
    down_events: Sequence[ScaleEvent],
    now_s: float,
) -> int:
    """Give the limit that a set of policies yields, by what already happened within each one's period."""
    if rules.select == "Disabled" or not rules.policies:
        return current
    limits = []
    for policy in rules.policies:
        added = change_within(up_events, policy.period_s, now_s)
        removed = change_within(down_events, policy.period_s, now_s)
        limits.append(_policy_limit(direction, policy, current - added + removed))
    largest_change = max if direction == "up" else min
    smallest_change = min if direction == "up" else max
    return smallest_change(limits) if rules.select == "Min" else largest_change(limits)


def limit_by_policies(
    current: int,
    desired: int,
    bounds: tuple[int, int],
    rules: tuple[Rules, Rules],
    events: tuple[Sequence[ScaleEvent], Sequence[ScaleEvent]],
    now_s: float,
) -> Limited:
    """Hold a change within policies and bounds; `rules` and `events` are pairs, up and down.

    Equal counts are not held within the bounds: that is for `decide` to see to.
    """
    least, most = bounds
    if desired > current:
        limit = max(rate_limit("up", current, rules[0], *events, now_s), current)
        top = min(most, limit)
        reason: LimitReason = "ScaleUpLimit" if most > limit else "TooManyReplicas"
        cut = desired > top
        return Limited(min(desired, top), reason if cut else "DesiredWithinRange", min(desired, limit), limit)
    if desired < current:
        limit = min(rate_limit("down", current, rules[1], *events, now_s), current)
        bottom = max(least, limit)
        reason = "ScaleDownLimit" if least < limit else "TooFewReplicas"
        cut = desired < bottom
        return Limited(
            max(desired, bottom), reason if cut else "DesiredWithinRange", max(desired, limit), limit
        )
    return Limited(desired, "DesiredWithinRange", desired, desired)


def limit_by_default(current: int, desired: int, least: int, most: int) -> Limited:
    """Hold a change within bounds and the built-in growth limit, where no behaviour is configured."""
    limit = min(max(2 * current, 4), MAX_REPLICAS)
    top = min(most, limit)
    allowed = min(desired, limit)
    if desired < least:
        return Limited(least, "TooFewReplicas", allowed, limit)
    if desired > top:
        return Limited(top, "ScaleUpLimit" if most > limit else "TooManyReplicas", allowed, limit)
    return Limited(desired, "DesiredWithinRange", allowed, limit)


def _policy_limit(direction: Direction, policy: Policy, start: int) -> int:
    """Give one policy's limit. Percentages are float64, rounded up on the way up and cut towards zero on the way down."""
    if policy.type == "Pods":
        change = policy.value if direction == "up" else -policy.value
        return max(min(start + change, MAX_REPLICAS), -MAX_REPLICAS)
    if direction == "up":
        return ceil_count(float(start) * (1.0 + float(policy.value) / 100.0))
    return max(math.trunc(float(start) * (1.0 - float(policy.value) / 100.0)), -MAX_REPLICAS)
