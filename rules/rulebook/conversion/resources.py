"""CPU and memory of the target's pods, and scaling behaviour: what the HPA and KEDA have in common."""

from __future__ import annotations

from typing import Any, Final

from rulebook.conversion.draft import Draft, amount, number, series
from rulebook.conversion.foreign import Fields

RESOURCE_WINDOW: Final = "2m"
_DIRECTIONS: Final = ("scaleUp", "scaleDown")


def add_resource(
    draft: Draft, fields: Fields, resource: str, container: str | None, aim: tuple[str, str]
) -> None:
    """Add a signal for a resource of the target's pods; `aim` is `utilization` (percent) or `average`, and how much."""
    kind, value = aim
    pods = [*namespace_of(draft), ("pod", "=~", f"{draft.target['name']}-.*")]
    containers = [*pods, ("container", "=", container) if container else ("container", "!=", "")]
    if resource == "cpu":
        used = f"sum(rate({series('container_cpu_usage_seconds_total', containers)}[{RESOURCE_WINDOW}]))"
    elif resource == "memory":
        used = f"sum({series('container_memory_working_set_bytes', containers)})"
    else:
        draft.lost += 1
        fields.remark(f"not carried over: for resource {resource} no Prometheus metric is known here")
        return
    name = resource if container is None else f"{container}_{resource}"
    if kind == "utilization":
        requested = [*containers, ("resource", "=", resource)]
        query = f"{used} / sum({series('kube_pod_container_resource_requests', requested)})"
        draft.add_signal(name, query, {"target": f"{value}%"})
    else:
        draft.add_signal(name, used, {"perReplica": number(value)})
    fields.remark(
        f"{resource} is read from Prometheus (cAdvisor, and kube-state-metrics for requests) rather than from the metrics "
        "server: check the labels; pods that start, or whose metrics are missing, are not left out or filled in as the HPA does"
    )


def namespace_of(draft: Draft) -> list[tuple[str, str, str]]:
    """Give the matcher for the target's namespace, if it is known."""
    return [("namespace", "=", draft.target["namespace"])] if "namespace" in draft.target else []


def take_behavior(fields: Fields | None) -> dict[str, Any] | None:
    """Take an HPA behaviour: ours has the same fields and the same results."""
    if fields is None:
        return None
    taken: dict[str, Any] = {}
    for direction in _DIRECTIONS:
        rules = fields.child(direction)
        if rules is None:
            continue
        ours: dict[str, Any] = {}
        window, select = rules.whole("stabilizationWindowSeconds"), rules.text("selectPolicy")
        if window is not None:
            ours["stabilizationWindowSeconds"] = window
        if select is not None:
            ours["selectPolicy"] = select
        policies = [
            {
                "type": policy.required("type"),
                "value": policy.whole("value"),
                "periodSeconds": policy.whole("periodSeconds"),
            }
            for policy in rules.each("policies")
        ]
        if policies:
            ours["policies"] = policies
        tolerance = (
            amount(rules, "tolerance")
            if rules.text("tolerance") not in {None, "0"}
            else rules.text("tolerance")
        )
        if tolerance is not None:
            ours["tolerance"] = number(tolerance)
        taken[direction] = ours
    return taken or None
