"""What the linter says of onsales: sales that nobody guards, that are over, and rates that do not go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from rulebook.finding import Remark
from rulebook.onsale import Bypass, Onsale, OnsaleSpec, Protect
from rulebook.rule import ScalingRule
from rulebook.units import format_duration, format_rate


def lint_onsale(onsale: Onsale, rules: Iterable[ScalingRule], now_s: float) -> Iterator[Remark]:
    """Look at an onsale, and at those of `rules` which write its admission targets."""
    spec = onsale.spec
    yield from _protection(spec)
    if spec.closes is not None and spec.closes.timestamp() <= now_s:
        yield Remark("onsale-past", ("spec", "closes"), "is over")
    if spec.order == "draw" and spec.prequeue is None:
        message = "draws among nobody without prequeue: nobody can join before the opening, and later ones stand behind"
        yield Remark("draw-without-prequeue", ("spec", "order"), message)
    yield from _rates(onsale, rules)


def _protection(spec: OnsaleSpec) -> Iterator[Remark]:
    shop = urlsplit(spec.shop)
    host, path = (shop.hostname or "").lower(), shop.path or "/"
    if not any(_guards_shop(part, host, path) for part in spec.protect):
        parts = ", ".join(f"{part.host or '*'}{part.path}" for part in spec.protect)
        message = (
            f"names {parts}, and so nothing of the shop at {host}{path}: nobody is held back there"
            if parts
            else "is guarded nowhere: protect names nothing, so nobody is held back"
        )
        yield Remark("shop-not-protected", ("spec", "protect" if spec.protect else "shop"), message)
    for index, part in enumerate(spec.protect):
        here = ("spec", "protect", index)
        if part.host is not None and part.host != host:
            message = f"is not {host}, the host of shop: a pass is a cookie of that host, so that nobody ever enters here"
            yield Remark("protect-elsewhere", (*here, "host"), message)
    for index, free in enumerate(spec.bypass):
        covered = [part for part in spec.protect if _lets_through(free, part)]
        if covered:
            message = (
                f"lets everything through below {covered[0].host or '*'}{covered[0].path}, which is protected"
            )
            yield Remark("bypass-covers-protect", ("spec", "bypass", index, "path"), message)


def _guards_shop(part: Protect, host: str, path: str) -> bool:
    """Tell whether a part holds the shop's first page, or some of what lies below it."""
    return part.host in {None, host} and (_is_below(path, part.path) or _is_below(part.path, path))


def _lets_through(free: Bypass, part: Protect) -> bool:
    return free.methods is None and _is_below(part.path, free.path)


def _is_below(path: str, top: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{top.rstrip('/')}/")


def _rates(onsale: Onsale, rules: Iterable[ScalingRule]) -> Iterator[Remark]:
    limits, session = onsale.spec.admission, onsale.spec.session
    here = ("spec", "admission")
    if limits.capacity is not None and limits.rate_per_s * session.length_s > limits.capacity:
        inside = limits.rate_per_s * session.length_s
        message = (
            f"{format_rate(limits.rate_per_s)} x session.length {format_duration(session.length_s)} = {inside:g} "
            f"sessions is more than capacity {limits.capacity}: the rate will not be reached for long"
        )
        yield Remark("sessions-exceed-capacity", (*here, "rate"), message)
    if limits.fallback_rate_per_s is not None and limits.fallback_rate_per_s > limits.rate_per_s:
        message = "is above rate, which holds"
        yield Remark("fallback-rate-above-rate", (*here, "fallbackRate"), message)
    for rule in rules:
        admission = rule.spec.admission
        if admission is None or admission.onsale != onsale.name:
            continue
        if limits.fallback_rate_per_s is None:
            message = (
                f"has no fallbackRate: when rule {rule.name} falls silent, the last rate that it allowed goes on, "
                "whatever the shop can take by then"
            )
            yield Remark("no-fallback-rate", here, message)
        most = admission.per_ready_replica_per_s * rule.spec.replicas.max
        if most < limits.rate_per_s:
            message = (
                f"is out of reach: rule {rule.name} allows {format_rate(admission.per_ready_replica_per_s)} for each of "
                f"at most {rule.spec.replicas.max} replicas, {format_rate(most)} in all"
            )
            yield Remark("rate-out-of-reach", (*here, "rate"), message)
