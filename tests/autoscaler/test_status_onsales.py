"""/status names for each onsale the rule that allows it least: its rate is the one that counts."""

from __future__ import annotations

from autoscaler.admission import AdmissionTarget, Written
from autoscaler.instrumentation.events import AdmissionWritten
from autoscaler.status import RuleStatus, onsales_json


def a_rule(name: str, onsale: str, rate_per_s: float, *, accepted: bool = True) -> RuleStatus:
    target = AdmissionTarget(onsale, name, rate_per_s, None, f"{name} can take it", validity_s=45.0, term=1)
    written = AdmissionWritten(target, Written(accepted, 100.0, 100.0, 145.0, term=1))
    return RuleStatus(rule=name, target="a pool", interval_s=15.0, dry_run=False, admission=written)


def test_the_lowest_of_several_rules_is_named_with_its_reason() -> None:
    statuses = [
        a_rule("web", "cactus", 30.0),
        a_rule("database", "cactus", 8.0),
        a_rule("app", "cactus", 12.0),
    ]
    assert onsales_json(statuses) == {
        "cactus": {
            "rate_per_s": 8.0,
            "rule": "database",
            "reason": "database can take it",
            "rules": ["web", "database", "app"],
        }
    }


def test_the_first_of_equals_is_named() -> None:
    found = onsales_json([a_rule("web", "cactus", 8.0), a_rule("app", "cactus", 8.0)])
    assert found["cactus"]["rule"] == "web"


def test_onsales_do_not_concern_each_other() -> None:
    found = onsales_json([a_rule("web", "cactus", 30.0), a_rule("app", "jazz", 8.0)])
    assert {onsale: entry["rule"] for onsale, entry in found.items()} == {"cactus": "web", "jazz": "app"}


def test_a_target_that_was_refused_and_a_rule_without_one_do_not_count() -> None:
    silent = RuleStatus(rule="worker", target="a pool", interval_s=15.0, dry_run=False)
    found = onsales_json(
        [silent, a_rule("app", "cactus", 1.0, accepted=False), a_rule("web", "cactus", 30.0)]
    )
    assert found["cactus"]["rule"] == "web"
    assert found["cactus"]["rules"] == ["web"]
