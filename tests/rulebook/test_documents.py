"""The documents: what their fields become, their defaults, and that writing and reading them is inverse."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from rulebook import Onsale, Paused, ProcessPool, ScalingRule, load_documents, load_text
from tests.rulebook.documents import ONSALE, POOL, RULE

DEMO = Path(__file__).parents[2] / "rules" / "examples" / "demo"


def test_the_demos_documents_load_without_problems() -> None:
    documents = load_documents(DEMO)
    assert list(documents.onsales) == ["cactusfestival"]
    assert list(documents.rules) == ["demo-shop"]
    assert list(documents.pools) == ["shop"]
    assert [file.name for file in documents.files] == ["onsale.yaml", "pool.yaml", "rule.yaml"]


def test_an_onsale_has_times_rates_and_defaults() -> None:
    spec = load_text(ONSALE).onsales["gala"].spec
    assert spec.opens == datetime(2026, 12, 5, 9, 0, tzinfo=UTC)
    assert (spec.admission.rate_per_s, spec.admission.burst, spec.admission.claim_within_s) == (
        20.0,
        40,
        120.0,
    )
    assert (spec.admission.capacity, spec.admission.fallback_rate_per_s) == (None, None)
    assert (spec.session.length_s, spec.session.max_s) == (600.0, 1800.0)
    assert (spec.outside, spec.entry, spec.bypass) == ("allow", "open", ())


def test_a_rule_has_units_and_defaults() -> None:
    spec = load_text(RULE).rules["web"].spec
    assert (spec.interval_s, spec.tolerance, spec.dry_run, spec.paused) == (15.0, 0.1, False, False)
    assert (spec.signals[0].per_replica, spec.signals[0].target_value) == (50.0, None)
    assert (spec.signals[1].per_replica, spec.signals[1].target_value) == (None, 0.3)
    assert spec.signals[0].on_missing == "hold"
    assert spec.admission is not None
    assert spec.admission.slow is not None
    assert (spec.admission.per_ready_replica_per_s, spec.admission.slow.above) == (5.0, 0.5)


def test_a_pool_fills_its_placeholders_and_leaves_other_braces_alone() -> None:
    spec = load_text(POOL.replace("shop.py", '"{python}", "{}", "{x}"')).pools["shop"].spec
    assert spec.command_line(9101, "/usr/bin/python3") == ("python3", "/usr/bin/python3", "{}", "{x}", "9101")
    assert (spec.ports.first, spec.ports.last, spec.ports.count) == (9101, 9120, 20)
    assert (spec.ready.path, spec.ready.every_s, spec.ready.timeout_s, spec.grace_s) == (
        "/readyz",
        0.2,
        1.0,
        10.0,
    )


def test_every_field_of_the_design_is_understood() -> None:
    text = (
        RULE
        + """\
  interval: 10s
  tolerance: 5%
  decide: 'max(requests, latency)'
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [{type: Pods, value: 4, periodSeconds: 15}]}
    scaleDown: {selectPolicy: Disabled, tolerance: 0.2}
  fallback: {after: 3, replicas: 10, mode: atLeast}
  paused: {replicas: 10}
  dryRun: true
"""
    )
    spec = load_text(text).rules["web"].spec
    assert (spec.interval_s, spec.tolerance, spec.paused, spec.dry_run) == (
        10.0,
        0.05,
        Paused(replicas=10),
        True,
    )
    assert spec.behavior is not None
    assert spec.behavior.scale_up is not None
    assert spec.behavior.scale_up.policies is not None
    assert spec.behavior.scale_up.policies[0].period_seconds == 15
    assert spec.behavior.scale_down is not None
    assert spec.behavior.scale_down.tolerance == 0.2


@pytest.mark.parametrize("model", [Onsale, ScalingRule, ProcessPool])
def test_a_document_survives_writing_and_reading(model: type[Onsale | ScalingRule | ProcessPool]) -> None:
    documents = load_documents(DEMO)
    everything = {**documents.onsales, **documents.rules, **documents.pools}
    document = next(entry for entry in everything.values() if isinstance(entry, model))
    assert model.model_validate(document.model_dump(mode="json", by_alias=True)) == document
    assert model.model_validate(document.model_dump()) == document


def test_documents_are_frozen() -> None:
    onsale = load_text(ONSALE).onsales["gala"]
    with pytest.raises(ValidationError):
        onsale.spec.order = "fifo"  # type: ignore[misc]
