"""The scenarios: what happens to the shop, and to whom. The shop's terms are one place for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rulebook.simulation import Segment, Trace
from tests.benchmarks.onsale.crowd import of_trace, prequeue_and_rush, rush
from tests.benchmarks.onsale.sale import Scenario
from tests.benchmarks.onsale.shop import ShopTerms

TERMS = ShopTerms()
_TRACE_SPAN_S = 3600
_TRACE_BEFORE_PEAK_S = 900
_CUT_SHARE = 1.6


def _rush(buyers: int, seed: int) -> Scenario:
    return Scenario("rush", rush(buyers, seed), TERMS)


def _prequeue(buyers: int, seed: int) -> Scenario:
    return Scenario("prequeue", prequeue_and_rush(buyers, seed), TERMS, prequeue=True)


def _replica_loss(buyers: int, seed: int) -> Scenario:
    return Scenario("replica-loss", rush(buyers, seed), TERMS, lost_at_s=120.0)


def _zone_loss(buyers: int, seed: int) -> Scenario:
    return Scenario("zone-loss", rush(buyers, seed), TERMS, lost_at_s=120.0, lost=TERMS.most // 2)


def _slow_shop(buyers: int, seed: int) -> Scenario:
    return Scenario("slow-shop", rush(buyers, seed), replace(TERMS, slowdown=2.0))


SCENARIOS: Mapping[str, Callable[[int, int], Scenario]] = {
    "rush": _rush,
    "prequeue": _prequeue,
    "replica-loss": _replica_loss,
    "zone-loss": _zone_loss,
    "slow-shop": _slow_shop,
}
"""By name: a function of how many buyers, and the seed. `slow-shop` takes twice the time for each request that ops believe."""


def trace_scenario(trace: Trace, buyers_per_s: float, seed: int) -> Scenario:
    """Take the hour around the trace's peak, scaled so that the peak is more than the whole shop takes (`buyers_per_s`)."""
    cut = _around_peak(trace)
    return Scenario(
        f"trace {trace.name}", of_trace(cut.scaled(_CUT_SHARE * buyers_per_s / cut.peak_per_s), seed), TERMS
    )


def _around_peak(trace: Trace) -> Trace:
    start, peak_at_s = 0, 0
    for segment in trace.segments:
        if segment.rate_per_s == trace.peak_per_s:
            peak_at_s = start
            break
        start += segment.seconds
    begin, start, kept = max(0, peak_at_s - _TRACE_BEFORE_PEAK_S), 0, []
    for segment in trace.segments:
        first, last = max(start, begin), min(start + segment.seconds, begin + _TRACE_SPAN_S)
        if last > first:
            kept.append(Segment(last - first, segment.rate_per_s))
        start += segment.seconds
    return Trace(trace.name, tuple(kept))
