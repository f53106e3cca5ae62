"""KEDA's triggers as signals and schedules. Queues are read from the Prometheus exporters that people run beside them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rulebook.conversion.draft import Draft, amount, number, series
from rulebook.conversion.foreign import Fields
from rulebook.conversion.hpa import need
from rulebook.conversion.resources import add_resource
from rulebook.conversion.windows import length_s
from rulebook.units import format_duration

_AGGREGATED: Final = re.compile(r"(?:sum|max|min|avg|count)\s*\((?:(?!\bby\b|\bwithout\b).)*\)", re.DOTALL)
_CONNECTION: Final = "the scaler's own Prometheus is asked, with the scaler's own credentials"


@dataclass(frozen=True, slots=True)
class _Known:
    """A trigger whose number an exporter tells too: the fields with the amount and its default, the query, the exporter."""

    amount: str
    default: str
    activation: str
    query: Callable[[Fields], str]
    exporter: str
    caveat: str = ""


def add_trigger(draft: Draft, trigger: Fields, *, wakes: bool) -> None:
    """Bring one trigger over, or say why not; `wakes` where the target may be at zero.

    Raises:
        DocumentErrors: it is not what it should be.
    """
    kind = trigger.required("type")
    name = trigger.text("name")
    trigger.lose("authenticationRef", _CONNECTION)
    if trigger.text("useCachedMetrics") == "true":
        trigger.remark("every signal is read once an interval", "useCachedMetrics")
    if kind in {"cpu", "memory"}:
        _add_resource(draft, trigger, kind)
        return
    metadata = need(trigger, "metadata")
    if kind == "cron":
        trigger.text("metricType")
        _add_cron(draft, trigger, metadata)
    elif kind == "prometheus":
        name = name or metadata.text("metricName") or "metric"
        _add(
            draft,
            trigger,
            metadata,
            name,
            _prometheus_query(metadata),
            ("threshold", None, "activationThreshold"),
            wakes,
        )
    elif kind in _KNOWN:
        known = _KNOWN[kind]
        query = known.query(metadata)
        _add(
            draft,
            trigger,
            metadata,
            name or kind,
            query,
            (known.amount, known.default, known.activation),
            wakes,
        )
        metadata.remark(f"read from Prometheus, which needs {known.exporter}; check the labels{known.caveat}")
    else:
        draft.lost += 1
        trigger.text("metricType")
        trigger.lose("metadata", f"no Prometheus metric is known here for a trigger of type {kind}")


def _add(
    draft: Draft,
    trigger: Fields,
    metadata: Fields,
    name: str,
    query: str,
    names: tuple[str, str | None, str],
    wakes: bool,
) -> None:
    wanted, default, activation_name = names
    value = amount(metadata, wanted) or default
    if value is None:
        raise metadata.refuse("is required, and missing", wanted)
    kind = trigger.text("metricType") or "AverageValue"
    if kind not in {"AverageValue", "Value"}:
        raise trigger.refuse("must be AverageValue or Value", "metricType")
    aim: dict[str, Any] = {"perReplica" if kind == "AverageValue" else "target": number(value)}
    activation = metadata.text(activation_name)
    more: dict[str, Any] = {}
    if wakes:
        more["activateAbove"] = number(_from_zero(metadata, activation_name, activation))
    elif activation is not None:
        metadata.remark("not carried over: it has no effect where nothing goes to zero", activation_name)
    draft.add_signal(name, query, aim, **more)


def _from_zero(metadata: Fields, name: str, text: str | None) -> str:
    if text is None or text.strip() in {"0", "0.0"}:
        return "0"
    return amount(metadata, name) or "0"


def _prometheus_query(metadata: Fields) -> str:
    query = metadata.required("query").strip()
    metadata.lose("serverAddress", _CONNECTION)
    for field in ("namespace", "customHeaders", "queryParameters", "unsafeSsl", "authModes", "cortexOrgID"):
        metadata.lose(field, _CONNECTION)
    if (metadata.text("ignoreNullValues") or "true") == "true":
        if _AGGREGATED.fullmatch(query):
            return f"{query} or vector(0)"
        metadata.remark(
            "KEDA takes an empty result for 0; here it counts as missing: add `or vector(0)` if 0 is meant",
            "query",
        )
    return query


def _add_resource(draft: Draft, trigger: Fields, resource: str) -> None:
    metadata = need(trigger, "metadata")
    kind = trigger.text("metricType") or metadata.text("type") or "Utilization"
    container = metadata.text("containerName")
    value = amount(metadata, "value")
    if value is None:
        raise metadata.refuse("is required, and missing", "value")
    if kind not in {"Utilization", "AverageValue"}:
        raise trigger.refuse("must be Utilization or AverageValue", "metricType")
    aim = ("utilization" if kind == "Utilization" else "average", value)
    add_resource(draft, metadata, resource, container, aim)


def _add_cron(draft: Draft, trigger: Fields, metadata: Fields) -> None:
    start, end = metadata.required("start"), metadata.required("end")
    zone, replicas = metadata.required("timezone"), metadata.whole("desiredReplicas")
    if replicas is None:
        raise metadata.refuse("is required, and missing", "desiredReplicas")
    seconds = length_s(start, end)
    if seconds is None:
        draft.lost += 1
        trigger.remark(
            f"not carried over: how long it is from {start!r} to {end!r} is not the same each time; "
            "write it as schedule entries with cron and for",
            "metadata",
        )
        return
    draft.schedule.append({"cron": start, "timeZone": zone, "for": format_duration(seconds), "min": replicas})


def _kafka(metadata: Fields) -> str:
    matchers = [("consumergroup", "=", metadata.required("consumerGroup"))]
    topic = metadata.text("topic")
    if topic is not None:
        matchers.append(("topic", "=", topic))
    metadata.lose("bootstrapServers", _CONNECTION)
    for field in ("sasl", "tls", "unsafeSsl", "version", "saslTokenProvider"):
        metadata.lose(field, _CONNECTION)
    return f"sum({series('kafka_consumergroup_lag', matchers)})"


def _redis_list(metadata: Fields) -> str:
    _lose_redis_connection(metadata)
    return f"sum({series('redis_key_size', [('key', '=', metadata.required('listName'))])})"


def _redis_stream(metadata: Fields) -> str:
    _lose_redis_connection(metadata)
    matchers = [
        ("stream", "=", metadata.required("stream")),
        ("group", "=", metadata.required("consumerGroup")),
    ]
    return f"sum({series('redis_stream_group_messages_pending', matchers)})"


def _lose_redis_connection(metadata: Fields) -> None:
    for field in (
        "address",
        "addressFromEnv",
        "addresses",
        "host",
        "port",
        "hosts",
        "ports",
        "passwordFromEnv",
    ):
        metadata.lose(field, _CONNECTION)
    for field in ("usernameFromEnv", "sentinelMaster", "enableTLS", "unsafeSsl"):
        metadata.lose(field, _CONNECTION)
    metadata.lose("databaseIndex", "the exporter says which databases it reads")


def _rabbitmq(metadata: Fields) -> str:
    matchers = [("queue", "=", metadata.required("queueName"))]
    host = metadata.text("vhostName")
    if host is not None:
        matchers.append(("vhost", "=", host))
    for field in ("host", "hostFromEnv", "protocol", "unsafeSsl", "timeout"):
        metadata.lose(field, _CONNECTION)
    if (metadata.text("mode") or "QueueLength") == "MessageRate":
        return f"sum(rate({series('rabbitmq_queue_messages_published_total', matchers)}[1m]))"
    metric = "rabbitmq_queue_messages"
    if metadata.text("excludeUnacknowledged") == "true":
        metric += "_ready"
    return f"sum({series(metric, matchers)})"


def _sqs(metadata: Fields) -> str:
    metric = "aws_sqs_approximate_number_of_messages_visible_average"
    queue = metadata.required("queueURL").rstrip("/").rpartition("/")[2]
    for field in ("awsRegion", "awsEndpoint", "identityOwner"):
        metadata.lose(field, _CONNECTION)
    return f"sum({series(metric, [('dimension_QueueName', '=', queue)])})"


_KNOWN: Final = {
    "kafka": _Known("lagThreshold", "10", "activationLagThreshold", _kafka, "kafka_exporter",
        "; KEDA never exceeds the number of partitions: set replicas.max to it"),
    "apache-kafka": _Known("lagThreshold", "10", "activationLagThreshold", _kafka, "kafka_exporter",
        "; KEDA never exceeds the number of partitions: set replicas.max to it"),
    "redis": _Known("listLength", "5", "activationListLength", _redis_list, "redis_exporter with --check-keys"),
    "redis-streams": _Known("pendingEntriesCount", "5", "activationPendingEntriesCount", _redis_stream,
        "redis_exporter with --check-streams"),
    "rabbitmq": _Known("value", "20", "activationValue", _rabbitmq, "RabbitMQ's own per-object metrics"),
    "aws-sqs-queue": _Known("queueLength", "5", "activationQueueLength", _sqs, "the CloudWatch exporter (YACE)"),
}  # fmt: skip
