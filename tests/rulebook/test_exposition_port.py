"""Where a pod's page is read: one port a rule, by number or by the name it has in the pod."""

import pytest

from rulebook import DocumentErrors, load_text

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
  replicas: {min: 2, max: 60}
  signals:
    - {name: busy, exposition: {gauge: busy, port: 9102}, perReplica: 10}
    - {name: depth, exposition: {gauge: depth}, perReplica: 10}
"""


@pytest.mark.parametrize("port", [1, 9102, 65535, "metrics", "http-metrics", "a", "8080-tcp"])
def test_a_port_is_a_number_or_a_name(port: int | str) -> None:
    rule = load_text(RULE.replace("9102", str(port)), "rule.yaml").rules["web"]
    signal = rule.spec.signal("busy").exposition
    assert signal is not None
    assert signal.port == port


@pytest.mark.parametrize(
    "port",
    [
        "0",
        "65536",
        "-1",
        "1.5",
        "true",
        "Metrics",
        "metrics-",
        "a--b",
        "'9102'",
        "a-name-too-long-for-it",
        "[1]",
    ],
)
def test_anything_else_is_no_port(port: str) -> None:
    with pytest.raises(DocumentErrors, match="must be a port's number, or its name in the pod") as refused:
        load_text(RULE.replace("9102", port), "rule.yaml")
    assert refused.value.problems[0].line == 8


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{gauge: depth}",
            "{gauge: depth, port: metrics}",
            "must be 9102, as in signal busy: a rule reads its pods at one port",
        ),
        (
            "gauge: busy, port: 9102",
            "gauge: busy, port: 9102, urls: ['http://127.0.0.1:9102']",
            "does not go with urls, which have ports of their own",
        ),
        (
            "apps/v1, kind: Deployment, namespace: shop",
            "tidegate.dev/v1, kind: ProcessPool",
            "does not go with a ProcessPool: each of its replicas has one port, which is read",
        ),
    ],
    ids=["two ports", "urls", "a pool"],
)
def test_a_port_that_means_nothing_here_is_refused(old: str, new: str, message: str) -> None:
    assert old in RULE
    with pytest.raises(DocumentErrors) as refused:
        load_text(RULE.replace(old, new), "rule.yaml")
    assert message in {problem.message for problem in refused.value.problems}
