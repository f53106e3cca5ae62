"""KEDA ScaledObjects (keda.sh/v1alpha1) as rules; what each trigger asks is in `triggers`."""

from __future__ import annotations

from typing import Any, Final

from rulebook.conversion.draft import PLACEHOLDER, Draft, rule_name
from rulebook.conversion.foreign import Fields
from rulebook.conversion.hpa import drop_bookkeeping, labels_of, need, target_of
from rulebook.conversion.resources import take_behavior
from rulebook.conversion.triggers import add_trigger

VERSION: Final = "keda.sh/v1alpha1"
_POLLING_S: Final = 30
_COOLDOWN_S: Final = 300
_MOST: Final = 100
_LONGEST_WINDOW_S: Final = 3600
_PREFIX: Final = "autoscaling.keda.sh/"
_FALLBACKS: Final = {
    "static": "static",
    "currentReplicas": "current",
    "currentReplicasIfHigher": "atLeast",
    "currentReplicasIfLower": "atMost",
}


def convert_scaled_object(document: Fields) -> Draft:
    """Convert one.

    Raises:
        DocumentErrors: it is not what it should be.
    """
    if document.required("apiVersion") != VERSION:
        raise document.refuse(f"must be {VERSION}", "apiVersion")
    document.text("kind")
    metadata, spec = need(document, "metadata"), need(document, "spec")
    document.lose("status", "it is the cluster's own")
    reference = need(spec, "scaleTargetRef")
    reference.lose("envSourceContainerName", "credentials are not read from a pod's environment")
    least, most, polling = (
        spec.whole(name) for name in ("minReplicaCount", "maxReplicaCount", "pollingInterval")
    )
    draft = Draft(
        name=rule_name(metadata),
        target=target_of(reference, metadata.text("namespace"), ("apps/v1", "Deployment")),
        least=least or 0,
        most=_MOST if most is None else most,
        interval_s=_POLLING_S if polling is None else polling,
        labels=labels_of(metadata),
    )
    draft.paused = _paused(metadata)
    drop_bookkeeping(metadata)
    for trigger in spec.each("triggers"):
        add_trigger(draft, trigger, wakes=draft.least == 0)
    if not draft.signals:
        spec.remark(
            f"no trigger became a signal: {PLACEHOLDER}, which asks for nothing, holds its place", "triggers"
        )
    _take_advanced(draft, spec.child("advanced"))
    _take_idle(draft, spec)
    draft.fallback = _fallback(spec.child("fallback"), spec)
    return draft


def _take_advanced(draft: Draft, advanced: Fields | None) -> None:
    if advanced is None:
        return
    advanced.lose("restoreToOriginalReplicaCount", "when a rule is deleted, the count stays as it is")
    config = advanced.child("horizontalPodAutoscalerConfig")
    if config is not None:
        config.lose("name", "there is no HPA any more")
        draft.behavior = take_behavior(config.child("behavior"))
    if "scalingModifiers" in advanced:
        advanced.lose(
            "scalingModifiers",
            "formulas are in another language here, see decide; now every trigger counts, and the highest wins",
        )
        draft.lost += 1


def _take_idle(draft: Draft, spec: Fields) -> None:
    """Bring over the way to zero: cooldownPeriod, idleReplicaCount."""
    spec.lose("initialCooldownPeriod", "a rule has no time of grace after its creation")
    idle, cooldown = spec.whole("idleReplicaCount"), spec.whole("cooldownPeriod")
    if idle is not None and draft.least > 0:
        spec.remark(
            f"not carried over: the count stays at minReplicaCount, {draft.least}, when idle (it says {idle}); with min: 0 and "
            "activateAbove a rule sleeps too, but wakes with one replica",
            "idleReplicaCount",
        )
    if draft.least > 0:
        if cooldown is not None:
            spec.remark("not carried over: it has no effect where nothing goes to zero", "cooldownPeriod")
        return
    down = (draft.behavior or {}).get("scaleDown", {})
    wanted = _COOLDOWN_S if cooldown is None else cooldown
    if "stabilizationWindowSeconds" in down:
        if wanted != down["stabilizationWindowSeconds"]:
            spec.remark(
                f"not carried over: scaleDown's window of {down['stabilizationWindowSeconds']} s goes for the last replica too "
                f"(it says {wanted})",
                "cooldownPeriod",
            )
    elif wanted != _COOLDOWN_S:
        window = min(wanted, _LONGEST_WINDOW_S)
        draft.behavior = {
            **(draft.behavior or {}),
            "scaleDown": {**down, "stabilizationWindowSeconds": window},
        }
        spec.remark(
            f"became scaleDown's window of {window} s, which goes for every replica and not for the last one alone",
            "cooldownPeriod",
        )


def _fallback(fallback: Fields | None, spec: Fields) -> dict[str, Any] | None:
    if fallback is None:
        return None
    after, replicas, behavior = (
        fallback.whole("failureThreshold"),
        fallback.whole("replicas"),
        fallback.text("behavior") or "static",
    )
    mode = _FALLBACKS.get(behavior)
    if mode is None:
        fallback.remark(f"{behavior} is not known here: the current count is kept instead", "behavior")
        mode = "current"
    if mode in {"static", "atMost"}:
        spec.remark(
            "it may go below the current count in KEDA; here only with mayScaleDown: true", "fallback"
        )
    ours: dict[str, Any] = {"after": max(after or 3, 1), "mode": mode}
    if mode != "current":
        if replicas is None:
            raise fallback.refuse("is required, and missing", "replicas")
        ours["replicas"] = replicas
    return ours


def _paused(metadata: Fields) -> bool | dict[str, int]:
    annotations = metadata.child("annotations")
    if annotations is None:
        return False
    paused: bool | dict[str, int] = annotations.text(f"{_PREFIX}paused") == "true"
    replicas = annotations.whole(f"{_PREFIX}paused-replicas")
    for name in ("paused-scale-in", "paused-scale-out"):
        annotations.lose(
            f"{_PREFIX}{name}", "a direction alone is stopped by selectPolicy: Disabled in behavior"
        )
    for name in ("scaledobject.keda.sh/transfer-hpa-ownership", "validations.keda.sh/hpa-ownership"):
        annotations.lose(name, "there is no HPA any more")
    for name in annotations.names():
        annotations.lose(name, "it is for other tools")
    return {"replicas": replicas} if replicas is not None else paused
