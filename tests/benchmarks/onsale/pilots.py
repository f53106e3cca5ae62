"""Who decides how many replicas there are: rules for the product's `decide`, Tidegate's own and the HPA's algorithm.

Both read what they would read in production: a window of the shop's metrics each interval, and Tidegate the room's figures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rulebook.decision import Decision, decide
from rulebook.memory import Memory
from rulebook.observation import Missing, Observation, Reading, Value
from rulebook.rule import ScalingRule
from tests.benchmarks.onsale.shop import Shop, ShopTerms
from tests.benchmarks.onsale.virtual_room import ONSALE

WINDOW_S = 10.0
_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "tickets"}
MARGIN = 0.97
"""What is taken, in a rule or as a rate set by hand, of the highest rate within the objective that a load test has shown."""
READIED_S = 60.0
"""So long before a known opening the whole shop is ordered, and so long after it that order stands."""
_SCALE_DOWN = {
    "stabilizationWindowSeconds": 60,
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def tidegate_rule(terms: ShopTerms, buyers_per_s: float, *, scheduled: bool = False) -> ScalingRule:
    """Write the rule of a shop whose replicas were seen to take `buyers_per_s` each.

    With `scheduled` the rule says that the whole shop shall stand at the opening.
    """
    floor = {"onsale": ONSALE, "lead": f"{READIED_S:g}s", "for": f"{READIED_S:g}s", "min": terms.most}
    spec = {
        "target": _TARGET,
        "replicas": {"min": terms.least, "max": terms.most},
        "interval": "5s",
        "signals": [
            {
                "name": "crowd",
                "onsale": {"name": ONSALE, "drainWithin": "4m", "lead": f"{2 * terms.startup_s:g}s"},
                "perReplica": buyers_per_s * MARGIN,
            },
            {"name": "inflight", "prometheus": {"query": "inflight"}, "perReplica": 0.9 * terms.workers},
            {
                "name": "latency",
                "prometheus": {"query": "latency"},
                "target": 0.6 * terms.slo_s,
                "onMissing": "ignore",
            },
        ],
        "behavior": {
            "scaleUp": {"policies": [{"type": "Percent", "value": 900, "periodSeconds": 15}]},
            "scaleDown": _SCALE_DOWN,
        },
        "schedule": [floor] if scheduled else [],
        "admission": {
            "onsale": ONSALE,
            "perReadyReplica": buyers_per_s * MARGIN,
            "slow": {"signal": "latency", "above": 0.75 * terms.slo_s, "settle": "20s"},
        },
    }
    return ScalingRule.model_validate({"metadata": {"name": "tickets"}, "spec": spec})


def hpa_rule(terms: ShopTerms) -> ScalingRule:
    """Write the HPA that most shops run: 70 % utilisation, everything else as it comes (a scale-down's window of 300 s)."""
    return _hpa(terms, terms.least)


def prepared_hpa_rule(terms: ShopTerms, least: int) -> ScalingRule:
    """Write the same HPA with Tidegate's scale-down, and a minimum which its operators set by hand."""
    return _hpa(terms, least, behavior={"scaleDown": _SCALE_DOWN})


def _hpa(terms: ShopTerms, least: int, **more: object) -> ScalingRule:
    spec = {
        "target": _TARGET,
        "replicas": {"min": least, "max": terms.most},
        "interval": "15s",
        "tolerance": 0.1,
        "signals": [{"name": "utilisation", "prometheus": {"query": "cpu"}, "target": 0.7}],
        **more,
    }
    return ScalingRule.model_validate({"metadata": {"name": "hpa"}, "spec": spec})


@dataclass(slots=True)
class Pilot:
    """Runs a rule on the shop: `look` samples it, `due` says when to `steer`.

    Around the opening (`READIED_S`) `readied` takes the rule's place, if there is one: as operators raise a minimum, and lower it
    again once the load holds the shop up.
    """

    rule: ScalingRule
    readied: ScalingRule | None = None
    memory: Memory = field(default_factory=Memory)
    decision: Decision | None = None
    due_s: float = float("-inf")
    _busy: deque[tuple[float, float, float]] = field(default_factory=deque)

    def look(self, shop: Shop, now_s: float) -> None:
        """Take a sample of what the shop's metrics show."""
        self._busy.append((now_s, shop.busy, float(shop.in_flight)))
        while self._busy[0][0] < now_s - WINDOW_S:
            self._busy.popleft()

    def steer(self, shop: Shop, crowd: Reading | None, now_s: float, clock_s: float) -> Decision:
        """Decide, and order or let go replicas. `clock_s` is the scaler's own clock, on which the crowd's times stand."""
        rule = self.readied if self.readied and -READIED_S <= now_s < READIED_S else self.rule
        self.due_s = now_s + rule.spec.interval_s
        readings: dict[str, Reading] = {}
        for signal in rule.spec.signals:
            readings[signal.name] = self._read(signal.name, shop, crowd, clock_s)
        observation = Observation(shop.ordered, shop.ready, readings)
        decision = decide(rule, observation, self.memory, clock_s)
        self.memory = decision.memory
        if decision.desired != decision.current:
            shop.scale(decision.desired, now_s)
            self.memory = self.memory.after_scaling(decision.current, decision.desired, clock_s)
        self.decision = decision
        return decision

    def _read(self, name: str, shop: Shop, crowd: Reading | None, clock_s: float) -> Reading:
        if name == "crowd":
            return crowd or Missing("no room")
        if name == "latency":
            value = shop.percentile(0.95, WINDOW_S)
            return Missing("no requests", answered=True) if value is None else Value(value, clock_s)
        column = 2 if name == "inflight" else 1
        return Value(sum(sample[column] for sample in self._busy) / max(1, len(self._busy)), clock_s)
