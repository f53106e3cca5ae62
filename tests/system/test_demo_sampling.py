"""What the sampler takes from the scaler's status: the admission target that it wrote, if the store took it."""

from __future__ import annotations

import pytest

from autoscaler.admission import AdmissionTarget, Written
from autoscaler.instrumentation.events import AdmissionWritten
from autoscaler.status import RuleStatus, status_json
from tidegate.demo.records import TargetSample
from tidegate.demo.sampling import target_of

TARGET = AdmissionTarget("show", "demo-shop", 16.0, 160, "2 ready x 8/s", 17.0, term=1)


def status_with(admission: AdmissionWritten | None) -> dict[str, object]:
    rule = RuleStatus("demo-shop", "ProcessPool/shop", 1.0, dry_run=False, admission=admission)
    return {"rules": {"demo-shop": status_json(rule)}}


def written(*, accepted: bool) -> AdmissionWritten:
    return AdmissionWritten(TARGET, Written(accepted, 1000.4, 1000.5, 1017.5, term=1))


def test_a_target_is_told_with_the_times_of_the_store() -> None:
    assert target_of(status_with(written(accepted=True))) == TargetSample(1000.5, 1017.5, 16.0)


@pytest.mark.parametrize(
    "status",
    [None, {"rules": {}}, status_with(None), status_with(written(accepted=False))],
    ids=["no answer", "no rule", "none written", "refused"],
)
def test_where_no_target_was_taken_there_is_none(status: dict[str, object] | None) -> None:
    assert target_of(status) is None
