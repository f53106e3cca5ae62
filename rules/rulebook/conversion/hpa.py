"""HorizontalPodAutoscalers (autoscaling/v2, v2beta2 and v1) as rules."""

from __future__ import annotations

from typing import Any, Final

from rulebook.conversion.draft import Draft, amount, number, rule_name, selector, series
from rulebook.conversion.foreign import Fields
from rulebook.conversion.resources import add_resource, namespace_of, take_behavior

VERSIONS: Final = frozenset({"autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1"})
SYNC_S: Final = 15
_DEFAULT_CPU: Final = "80"


def convert_hpa(document: Fields) -> Draft:
    """Convert one.

    Raises:
        DocumentErrors: it is not what it should be.
    """
    version = document.required("apiVersion")
    document.text("kind")
    if version not in VERSIONS:
        raise document.refuse(f"must be one of {', '.join(sorted(VERSIONS))}", "apiVersion")
    metadata, spec = need(document, "metadata"), need(document, "spec")
    document.lose("status", "it is the cluster's own")
    most = spec.whole("maxReplicas")
    if most is None:
        raise spec.refuse("is required, and missing", "maxReplicas")
    least = spec.whole("minReplicas")
    draft = Draft(
        name=rule_name(metadata),
        target=target_of(need(spec, "scaleTargetRef"), metadata.text("namespace"), None),
        least=1 if least is None else least,
        most=most,
        interval_s=SYNC_S,
        labels=labels_of(metadata),
    )
    metadata.lose("annotations", "they are for other tools")
    drop_bookkeeping(metadata)
    percent = spec.text("targetCPUUtilizationPercentage")
    if percent is not None:
        add_resource(draft, spec, "cpu", None, ("utilization", percent))
    for metric in spec.each("metrics"):
        _add_metric(draft, metric)
    if not draft.signals and not draft.lost:
        spec.remark(f"no metrics are given: as for the HPA that means cpu at {_DEFAULT_CPU} %")
        add_resource(draft, spec, "cpu", None, ("utilization", _DEFAULT_CPU))
    draft.behavior = take_behavior(spec.child("behavior"))
    return draft


def need(fields: Fields, name: str) -> Fields:
    """Take a mapping that must be there."""
    child = fields.child(name)
    if child is None:
        raise fields.refuse("is required, and missing", name)
    return child


def target_of(reference: Fields, namespace: str | None, defaults: tuple[str, str] | None) -> dict[str, str]:
    """Take the reference to what is scaled; KEDA has defaults for its version and kind."""
    version, kind = reference.text("apiVersion"), reference.text("kind")
    if defaults is not None:
        version, kind = version or defaults[0], kind or defaults[1]
    if kind is None:
        raise reference.refuse("is required, and missing", "kind")
    target = {"apiVersion": version or "apps/v1", "kind": kind}
    if namespace is not None:
        target["namespace"] = namespace
    else:
        reference.remark("the document names no namespace: neither do the target and the queries, add it")
    return {**target, "name": reference.required("name")}


def labels_of(metadata: Fields) -> dict[str, str]:
    """Take the labels."""
    labels = metadata.child("labels")
    return labels.pairs() if labels is not None else {}


def drop_bookkeeping(metadata: Fields) -> None:
    """Take what the API server writes for itself, which nobody misses."""
    for name in ("uid", "resourceVersion", "generation", "creationTimestamp"):
        metadata.text(name)
    metadata.lose("managedFields", "they are the cluster's own")


def _add_metric(draft: Draft, metric: Fields) -> None:
    kind = metric.required("type")
    field = kind[:1].lower() + kind[1:]
    match kind:
        case "Resource" | "ContainerResource":
            source = need(metric, field)
            container = source.required("container") if kind == "ContainerResource" else None
            resource, target = source.required("name"), need(source, "target")
            add_resource(draft, source, resource, container, _resource_aim(target))
        case "Pods":
            source = need(metric, field)
            identity = need(source, "metric")
            name = identity.required("name")
            pods = [*namespace_of(draft), ("pod", "=~", f"{draft.target['name']}-.*"), *selector(identity)]
            _add(draft, source, name, f"sum({series(name, pods)})", need(source, "target"))
        case "Object":
            source = need(metric, field)
            identity, described = need(source, "metric"), need(source, "describedObject")
            name = identity.required("name")
            described.text("apiVersion")
            label = (described.required("kind").lower(), "=", described.required("name"))
            query = f"sum({series(name, [*namespace_of(draft), label, *selector(identity)])})"
            _add(draft, source, name, query, need(source, "target"))
        case "External":
            source = need(metric, field)
            identity = need(source, "metric")
            name = identity.required("name")
            _add(draft, source, name, f"sum({series(name, selector(identity))})", need(source, "target"))
        case _:
            draft.lost += 1
            metric.lose(field, "a kind of metric that is not known here")
            metric.remark(f"not carried over: a metric of type {kind} is not known here", "type")


def _add(draft: Draft, source: Fields, name: str, query: str, target: Fields) -> None:
    draft.add_signal(name, query, _aim(target))
    source.remark(
        "the query is what the metrics adapter most probably asks Prometheus: it may rename a metric, relabel it or "
        "take its rate, so compare it with the adapter's rules"
    )


def _aim(target: Fields) -> dict[str, Any]:
    target.text("type")
    average, value = amount(target, "averageValue"), amount(target, "value")
    if average is not None:
        if value is not None:
            target.remark(f"not carried over: averageValue is there too (it says {value})", "value")
        return {"perReplica": number(average)}
    if value is None:
        raise target.refuse("needs value or averageValue")
    return {"target": number(value)}


def _resource_aim(target: Fields) -> tuple[str, str]:
    target.text("type")
    percent, average = target.text("averageUtilization"), amount(target, "averageValue")
    if percent is not None:
        if average is not None:
            target.remark(
                f"not carried over: averageUtilization is there too (it says {average})", "averageValue"
            )
        return "utilization", percent
    if average is None:
        raise target.refuse("needs averageUtilization or averageValue")
    return "average", average
