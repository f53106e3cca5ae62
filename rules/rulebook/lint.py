"""The linter: what documents say that is right in itself, but probably not meant. What is wrong, loading refuses.

Codes: max-age-without-freshness, slow-below-target, no-load-signal, unused-signal, zero-by-ratio, activation-without-zero,
scale-up-disabled, percent-only-from-zero, drain-below-start-up, drain-below-interval, fallback-above-max,
fallback-without-effect, latency-in-seconds, unknown-onsale, sessions-exceed-capacity, rate-out-of-reach,
fallback-rate-above-rate, no-fallback-rate, shop-not-protected, protect-elsewhere, bypass-covers-protect, onsale-past,
draw-without-prequeue, floor-above-max, floor-without-effect, cron-without-zone, schedule-never, schedule-past, schedule-gap,
schedule-shorter-than-interval, lead-below-start-up, horizon-below-interval, forecast-without-prometheus, untested.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rulebook.finding import Finding, Remark, place
from rulebook.formula import used_signals
from rulebook.lint_onsale import lint_onsale
from rulebook.lint_schedule import lint_schedule
from rulebook.loading import Documents
from rulebook.onsale import Onsale
from rulebook.rule import RuleSpec, ScalingRule
from rulebook.signals import SignalSpec
from rulebook.units import format_duration

DEFAULT_START_UP_S: Final = 30.0
_LONG_WAIT_S: Final = 30.0
"""No shop is meant to take so long for an answer."""


def lint(documents: Documents, now_s: float, start_up_s: float = DEFAULT_START_UP_S) -> tuple[Finding, ...]:
    """Look through documents; `start_up_s` is how long a replica takes from being ordered to being ready."""
    tested = {test.spec.rule for test in documents.tests.values()}
    findings: list[Finding | None] = []
    for loaded in documents.loaded:
        document = loaded.document
        if isinstance(document, ScalingRule):
            remarks = [
                *_signals(document.spec),
                *_replicas(document.spec),
                *_crowds(document, documents, start_up_s),
                *_fallback(document.spec),
                *lint_schedule(document.spec, now_s, start_up_s),
                *([] if document.name in tested or not documents.tests else [_untested(document)]),
            ]
        elif isinstance(document, Onsale):
            remarks = list(lint_onsale(document, documents.rules.values(), now_s))
        else:
            continue
        findings += [place(remark, loaded) for remark in remarks]
    kept = [finding for finding in findings if finding is not None]
    return tuple(sorted(kept, key=lambda one: (one.problem.file, one.problem.line, one.problem.column)))


def _untested(rule: ScalingRule) -> Remark:
    message = f"no RuleTest names rule {rule.name}, though other rules here have tests"
    return Remark("untested", ("metadata", "name"), message)


def _signals(spec: RuleSpec) -> Iterator[Remark]:
    used = None if spec.decide is None else used_signals(spec.decide, [entry.name for entry in spec.signals])
    also = {spec.admission.slow.signal} if spec.admission is not None and spec.admission.slow else set()
    also |= {spec.forecast.signal} if spec.forecast is not None else set()
    for index, signal in enumerate(spec.signals):
        here = ("spec", "signals", index)
        if (
            signal.max_age_s is not None
            and signal.prometheus is not None
            and signal.prometheus.freshness is None
        ):
            yield Remark(
                "max-age-without-freshness",
                (*here, "maxAge"),
                "has no effect without prometheus.freshness: the answer to a query is always of this moment",
            )
        if (
            used is not None
            and signal.name not in used
            and signal.name not in also
            and signal.activate_above is None
        ):
            message = f"{signal.name} is used neither by the formula nor by anything else"
            yield Remark("unused-signal", (*here, "name"), message)
        if signal.target_value is not None:
            yield from _latency(signal, signal.target_value, (*here, "target"))
        if signal.activate_above is not None and spec.replicas.min > 0:
            message = f"has no effect while replicas.min is {spec.replicas.min}: only from and to 0 is woken and put to sleep"
            yield Remark("activation-without-zero", (*here, "activateAbove"), message)
    if all(signal.per_replica is None for signal in spec.signals):
        message = (
            "no signal has perReplica: a ratio such as latency says that there is too much load, not how much; "
            "add the load itself"
        )
        yield Remark("no-load-signal", ("spec", "signals"), message)
    slow = spec.admission.slow if spec.admission is not None else None
    if slow is not None:
        target = spec.signal(slow.signal).target_value
        yield from _latency(spec.signal(slow.signal), slow.above, ("spec", "admission", "slow", "above"))
        if target is not None and slow.above <= target:
            message = f"is not above the target {target:g} of {slow.signal}: buyers are slowed down before replicas are added"
            yield Remark("slow-below-target", ("spec", "admission", "slow", "above"), message)


def _latency(signal: SignalSpec, reference: float, path: tuple[str | int, ...]) -> Iterator[Remark]:
    query = signal.prometheus.query if signal.prometheus is not None else ""
    if reference >= _LONG_WAIT_S and "histogram_quantile" in query and "_seconds_bucket" in query:
        message = (
            f"is {reference:g} s, as {signal.name} is in seconds: for milliseconds write {reference:g}ms"
        )
        yield Remark("latency-in-seconds", path, message)


def _replicas(spec: RuleSpec) -> Iterator[Remark]:
    up = spec.behavior.scale_up if spec.behavior is not None else None
    if up is not None and up.select_policy == "Disabled":
        message = "never scales up, not even for a schedule"
        yield Remark("scale-up-disabled", ("spec", "behavior", "scaleUp", "selectPolicy"), message)
    if spec.replicas.min > 0:
        return
    if all(signal.per_replica is None and signal.activate_above is None for signal in spec.signals):
        message = "is 0, but nothing wakes the target: a ratio of no replicas is unknown; give a signal activateAbove"
        yield Remark("zero-by-ratio", ("spec", "replicas", "min"), message)
    policies = up.policies if up is not None else None
    if policies is not None and all(policy.type == "Percent" for policy in policies):
        message = "has percentages only: of 0 replicas that is nothing, so the first step is a single replica"
        yield Remark("percent-only-from-zero", ("spec", "behavior", "scaleUp", "policies"), message)


def _crowds(rule: ScalingRule, documents: Documents, start_up_s: float) -> Iterator[Remark]:
    spec = rule.spec
    named: list[tuple[tuple[str | int, ...], str]] = []
    for index, signal in enumerate(spec.signals):
        if signal.onsale is None:
            continue
        here = ("spec", "signals", index, "onsale")
        named.append(((*here, "name"), signal.onsale.name))
        drain_s = signal.onsale.drain_within_s
        if drain_s <= start_up_s:
            message = (
                f"is not more than a replica's start-up of {format_duration(start_up_s)}: "
                "what is ordered for this backlog is ready when the deadline has passed"
            )
            yield Remark("drain-below-start-up", (*here, "drainWithin"), message)
        elif drain_s <= spec.interval_s:
            message = f"is not more than the interval of {format_duration(spec.interval_s)}"
            yield Remark("drain-below-interval", (*here, "drainWithin"), message)
    if spec.admission is not None:
        named.append((("spec", "admission", "onsale"), spec.admission.onsale))
    named += [
        (("spec", "schedule", index, "onsale"), entry.onsale)
        for index, entry in enumerate(spec.schedule)
        if entry.onsale is not None
    ]
    for path, name in named:
        if documents.onsales and name not in documents.onsales:
            message = f"there is no Onsale {name} among the documents ({', '.join(documents.onsales)})"
            yield Remark("unknown-onsale", path, message)


def _fallback(spec: RuleSpec) -> Iterator[Remark]:
    fallback = spec.fallback
    if fallback is None or fallback.replicas is None:
        return
    here = ("spec", "fallback", "replicas")
    if fallback.replicas > spec.replicas.max:
        yield Remark("fallback-above-max", here, f"is above replicas.max {spec.replicas.max}, which holds")
    if fallback.mode == "atLeast" and fallback.replicas <= spec.replicas.min:
        message = f"has no effect: replicas.min is {spec.replicas.min} already"
        yield Remark("fallback-without-effect", here, message)
    if fallback.mode == "atMost" and not fallback.may_scale_down:
        message = (
            "has no effect without mayScaleDown: true: without data nothing goes below the current count"
        )
        yield Remark("fallback-without-effect", ("spec", "fallback", "mode"), message)
