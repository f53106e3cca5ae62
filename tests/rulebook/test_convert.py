"""Conversion of HPA and KEDA documents: what comes over, what does not, and that the two are all there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rulebook import DocumentErrors, RuleSpec, load_documents
from rulebook.conversion import Conversion, convert_text
from rulebook.conversion.windows import length_s
from rulebook.loading import load_text
from tests.rulebook import convert_documents as documents


def converted(text: str) -> tuple[Conversion, RuleSpec]:
    """Convert one document, and load what came out."""
    ((conversion,), skipped) = convert_text(text, "in.yaml")
    assert skipped == []
    (rule,) = load_text(conversion.text).rules.values()
    return conversion, rule.spec


def queries(spec: RuleSpec) -> dict[str, tuple[str, float | None, float | None]]:
    """Give each signal's query, amount a replica and target."""
    return {
        signal.name: (signal.prometheus.query, signal.per_replica, signal.target_value)
        for signal in spec.signals
        if signal.prometheus is not None
    }


def said(conversion: Conversion, *path_and_words: str) -> bool:
    """Whether a remark holds all of these."""
    return any(all(word in str(remark) for word in path_and_words) for remark in conversion.remarks)


@pytest.mark.parametrize("name", documents.ALL)
def test_every_converted_document_loads_from_a_file(name: str, tmp_path: Path) -> None:
    conversion, _ = converted(documents.ALL[name])
    file = tmp_path / "rule.yaml"
    file.write_text(conversion.text, "utf-8")
    assert set(load_documents(file).rules) == {conversion.name}


@pytest.mark.parametrize("name", documents.ALL)
def test_every_remark_stands_above_its_rule(name: str) -> None:
    conversion, _ = converted(documents.ALL[name])
    head = " ".join(
        line.removeprefix("#").strip() for line in conversion.text.splitlines() if line.startswith("#")
    )
    for remark in conversion.remarks:
        assert " ".join(str(remark).split()) in head


def test_each_kind_of_hpa_metric_becomes_a_query() -> None:
    _, spec = converted(documents.WEB_HPA)
    pods = 'namespace="shop", pod=~"web-.*"'
    assert queries(spec) == {
        "cpu": (
            f'sum(rate(container_cpu_usage_seconds_total{{{pods}, container!=""}}[2m])) / '
            f'sum(kube_pod_container_resource_requests{{{pods}, container!="", resource="cpu"}})',
            None,
            0.65,
        ),
        "app_memory": (
            f'sum(container_memory_working_set_bytes{{{pods}, container="app"}})',
            500 * 1024**2,
            None,
        ),
        "http_requests_per_second": (
            f'sum(http_requests_per_second{{{pods}, route="checkout"}})',
            1.5,
            None,
        ),
        "requests_per_second": (
            'sum({__name__="requests-per-second", namespace="shop", ingress="main-route"})',
            None,
            10_000,
        ),
        "queue_messages_ready": (
            r'sum(queue_messages_ready{queue=~"orders|mail\\.out", dead=""})',
            30,
            None,
        ),
    }


def test_behaviour_comes_over_field_for_field() -> None:
    _, spec = converted(documents.WEB_HPA)
    assert spec.behavior is not None
    assert spec.behavior.model_dump(by_alias=True, exclude_none=True) == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": (
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ),
            "tolerance": 0.05,
        },
        "scaleDown": {"stabilizationWindowSeconds": 120, "selectPolicy": "Min", "tolerance": 0},
    }
    assert (spec.replicas.min, spec.replicas.max, spec.interval_s) == (3, 40, 15)
    assert str(spec.target) == "Deployment shop/web"


def test_what_an_hpa_loses_is_said() -> None:
    conversion, _ = converted(documents.WEB_HPA)
    assert said(conversion, "status: not carried over")
    assert said(conversion, "metadata.annotations: not carried over")
    assert said(conversion, "spec.metrics[2].pods", "adapter")
    assert said(conversion, "spec.metrics[0].resource", "metrics server")


def test_an_hpa_of_version_1_is_one_of_cpu() -> None:
    conversion, spec = converted(documents.OLD_HPA)
    assert [signal.target_value for signal in spec.signals] == [0.5]
    assert (conversion.name, spec.replicas.min) == ("api-v2", 1)
    assert said(conversion, "metadata.name", "api-v2")
    assert said(conversion, "names no namespace")


def test_an_hpa_without_metrics_means_cpu_at_80_percent() -> None:
    _, spec = converted(documents.BARE_HPA)
    assert [(signal.name, signal.target_value) for signal in spec.signals] == [("cpu", 0.8)]


def test_prometheus_triggers_keep_their_query_and_kind_of_target() -> None:
    conversion, spec = converted(documents.PROMETHEUS_OBJECT)
    found = queries(spec)
    assert found["rps"] == (
        'sum(rate(http_requests_total{deployment="checkout"}[2m])) or vector(0)',
        100.5,
        None,
    )
    assert found["p95"][0].startswith("histogram_quantile(0.95")
    assert found["p95"][1:] == (None, 0.4)
    assert found["cpu"][1:] == (None, 0.8)
    assert spec.interval_s == 15
    for words in (
        "serverAddress",
        "authenticationRef",
        "envSourceContainerName",
        "restoreToOriginal",
        "cooldownPeriod",
    ):
        assert said(conversion, words, "not carried over")
    assert said(conversion, "activationThreshold", "no effect")
    assert not spec.dry_run


def test_a_fallback_comes_over_but_never_below_the_current_count() -> None:
    _, spec = converted(documents.PROMETHEUS_OBJECT)
    assert spec.fallback is not None
    assert (spec.fallback.after, spec.fallback.replicas, spec.fallback.mode) == (4, 6, "atLeast")
    conversion, spec = converted(documents.OFFICE_OBJECT)
    assert spec.fallback is not None
    assert (spec.fallback.mode, spec.fallback.may_scale_down) == ("static", False)
    assert said(conversion, "spec.fallback", "mayScaleDown: true")


def test_queues_are_read_from_their_exporters_and_wake_from_zero() -> None:
    conversion, spec = converted(documents.WORKER_OBJECT)
    assert queries(spec) == {
        "redis": ('sum(redis_key_size{key="jobs"})', 20, None),
        "kafka": ('sum(kafka_consumergroup_lag{consumergroup="mailer", topic="mail"})', 50, None),
        "rabbitmq": ('sum(rate(rabbitmq_queue_messages_published_total{queue="orders"}[1m]))', 100, None),
        "aws_sqs_queue": (
            'sum(aws_sqs_approximate_number_of_messages_visible_average{dimension_QueueName="mail"})',
            5,
            None,
        ),
    }
    assert [signal.activate_above for signal in spec.signals] == [0, 3, 0, 0]
    assert (spec.replicas.min, spec.replicas.max, spec.interval_s) == (0, 100, 30)
    assert said(conversion, "triggers[1].metadata.allowIdleConsumers: not carried over")
    assert said(conversion, "triggers[0].metadata", "redis_exporter")


def test_the_cooldown_to_zero_becomes_the_window_down() -> None:
    conversion, spec = converted(documents.WORKER_OBJECT)
    assert spec.behavior is not None
    assert spec.behavior.scale_down is not None
    assert spec.behavior.scale_down.stabilization_window_seconds == 600
    assert said(conversion, "spec.cooldownPeriod", "every replica")


def test_a_pause_comes_over_from_the_annotations() -> None:
    conversion, spec = converted(documents.WORKER_OBJECT)
    assert not isinstance(spec.paused, bool)
    assert spec.paused.replicas == 3
    assert said(conversion, "metadata.annotations.team")


def test_cron_triggers_become_a_schedule() -> None:
    conversion, spec = converted(documents.OFFICE_OBJECT)
    assert [(entry.cron, entry.time_zone, entry.for_s, entry.min) for entry in spec.schedule] == [
        ("0 8 * * 1-5", "Europe/Brussels", 10.5 * 3600, 4),
        ("0 22 * * *", "Asia/Kolkata", 6 * 3600, 2),
        ("0 20 * * 5", "Europe/Brussels", 58 * 3600, 3),
    ]
    assert queries(spec) == {"nothing": ("vector(0)", 1, None)}
    assert said(conversion, "spec.idleReplicaCount", "stays at minReplicaCount, 1")


def test_a_rule_that_lost_a_metric_comes_out_on_a_dry_run() -> None:
    conversion, spec = converted(documents.EXOTIC_OBJECT)
    assert spec.dry_run
    assert said(conversion, "dryRun is set")
    assert said(conversion, "triggers[0].metadata", "mongodb")
    assert said(conversion, "triggers[1].metadata", "is not the same each time")
    assert said(conversion, "scalingModifiers", "highest wins")
    assert said(conversion, "spec.futureField: not carried over: not known here")
    assert said(conversion, "initialCooldownPeriod")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("0 6 * * *", "0 20 * * *", 14),
        ("0 20 * * *", "0 6 * * *", 10),
        ("0 8 * * MON", "0 18 * * fri", 106),
        ("0 20 * * 1-5", "0 6 * * 1-5", None),
        ("0 6 * * *", "0 6 * * *", None),
        ("*/5 6 * * *", "0 7 * * *", None),
        ("0 6 1 * *", "0 7 2 * *", None),
        ("0 6 * *", "0 7 * * *", None),
    ],
)
def test_a_cron_window_has_a_length_only_where_it_is_always_the_same(
    start: str, end: str, hours: float | None
) -> None:
    assert length_s(start, end) == (None if hours is None else hours * 3600)


def test_a_list_and_several_documents_are_taken_apart_and_other_kinds_named() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n" + "\n".join(
        ("  - " if number == 0 else "    ") + line
        for number, line in enumerate(documents.BARE_HPA.splitlines())
    )
    text = (
        f"{documents.OFFICE_OBJECT}---\n{listed}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n"
    )
    conversions, skipped = convert_text(text, "in.yaml")
    assert [conversion.name for conversion in conversions] == ["office", "bare"]
    assert [str(remark).partition(": ")[2] for remark in skipped] == [
        "skipped: 'Secret' is not a kind to convert"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("maxReplicas: 40", "", "spec.maxReplicas: is required, and missing"),
        (
            "maxReplicas: 40",
            "maxReplicas: many",
            "in.yaml:11:16: spec.maxReplicas: must be a whole number, found 'many'",
        ),
        ("autoscaling/v2", "autoscaling/v9", "in.yaml:1:13: apiVersion: must be one of autoscaling/v1"),
        ("maxReplicas: 40", "maxReplicas: 2", "gives no valid rule: must not be above max"),
        (
            "averageValue: 500Mi",
            "averageValue: lots",
            "must be a quantity such as 500m, 2k or 1Ki, found 'lots'",
        ),
        ("value: 10k", "value: -3", "must be above 0"),
        ("operator: In", "operator: Near", "must be In, NotIn, Exists or DoesNotExist, found 'Near'"),
        ("type: Pods, value: 4", "type: Nodes, value: 4", "gives no valid rule: must be Pods or Percent"),
        ("metadata:\n  name: web", "metadata: !!python/name:os.system", "must not use tags"),
        ("kind: HorizontalPodAutoscaler", "kind: Deployment", "holds nothing to convert"),
        ("  metrics:", "  metrics: 3\n  old:", "spec.metrics: must be a list, found 3"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    assert old in documents.WEB_HPA
    with pytest.raises(DocumentErrors) as caught:
        convert_text(documents.WEB_HPA.replace(old, new, 1), "in.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("in.yaml:")


def test_a_query_cannot_break_out_of_its_quotes() -> None:
    text = documents.WORKER_OBJECT.replace("listName: jobs", "listName: 'a\"} or up{b=\"'")
    _, spec = converted(text)
    assert queries(spec)["redis"][0] == r'sum(redis_key_size{key="a\"} or up{b=\""})'
