"""HPA and KEDA documents among ours: one target has one master."""

# ruff: noqa: E501  # one case, one row

from __future__ import annotations

import pytest

from rulebook import DocumentErrors, load_text
from tests.rulebook.documents import RULE

HPA = """\
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web-hpa, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 5
"""
KEDA = """\
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web-keda, namespace: shop}
spec: {scaleTargetRef: {name: web}, triggers: []}
"""


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(HPA, "20:3: spec.scaleTargetRef: HorizontalPodAutoscaler web-hpa", id="HPA"),
        pytest.param(HPA.replace("apps/v1", "apps/v1beta2"), "20:3: spec.scaleTargetRef: HorizontalPodAutoscaler web-hpa", id="another version of the group"),
        pytest.param(KEDA, "19:8: spec.scaleTargetRef: ScaledObject web-keda", id="KEDA, a Deployment by default"),
    ],
)  # fmt: skip
def test_another_autoscaler_on_the_target_of_a_rule_is_a_problem(other: str, expected: str) -> None:
    with pytest.raises(DocumentErrors) as refused:
        load_text(RULE + other, "x.yaml")
    assert str(refused.value) == f"x.yaml:{expected} scales Deployment shop/web, which belongs to rule web"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("name: web}", "name: api}", id="another target"),
        pytest.param("namespace: shop", "namespace: test", id="another namespace"),
        pytest.param("kind: Deployment", "kind: StatefulSet", id="another kind"),
        pytest.param("scaleTargetRef: {", "scaleTargetReference: {", id="none that can be told"),
        pytest.param("metadata: {name: web-hpa, namespace: shop}\n", "metadata: 5\n", id="nonsense"),
    ],
)
def test_another_autoscaler_elsewhere_is_not_our_business(old: str, new: str) -> None:
    assert old in HPA
    assert list(load_text(RULE + HPA.replace(old, new), "x.yaml").rules) == ["web"]
