"""What we read from /metrics pages is what a real Prometheus makes of the same pages."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import Counter, Gauge
from prometheus_client.exposition import choose_encoder

from autoscaler.clock import SystemClock
from autoscaler.sources.exposition import ExpositionSource
from autoscaler.sources.pages import ACCEPT
from autoscaler.sources.quantile import histogram_quantile
from rulebook.observation import Value
from rulebook.signals import ExpositionQuery
from tests.autoscaler.prometheus_server import Exporter, Prometheus, until_scraped

SHARES = {"0.05": 0.2, "0.1": 0.5, "0.5": 0.9, "1": 0.97, "+Inf": 1.0}
"""Of all observations, those at or below a bound."""


@pytest.fixture
async def source() -> AsyncIterator[ExpositionSource]:
    async with aiohttp.ClientSession() as http:
        yield ExpositionSource(http, SystemClock())


def show_traffic(exporter: Exporter, name: str, restarts_after_s: float) -> None:
    """Show 100 requests a second, with a restart of the exporter from zero after a while."""
    begun_s = time.time()

    def page() -> str:
        age_s = time.time() - begun_s
        count = 100.0 * (age_s if age_s < restarts_after_s else age_s - restarts_after_s)
        buckets = [f'{name}_seconds_bucket{{le="{le}"}} {share * count!r}' for le, share in SHARES.items()]
        return "\n".join([f"{name}_total {count!r}", *buckets, ""])

    exporter.page = page


@pytest.mark.slow
async def test_rates_and_quantiles_over_a_restart_are_those_of_prometheus(
    source: ExpositionSource, exporter: Exporter, prometheus: Prometheus
) -> None:
    show_traffic(exporter, "traffic", restarts_after_s=6.0)
    hits = ExpositionQuery.model_validate({"counter": "traffic_total", "over": 10.0})
    latencies = [
        ExpositionQuery.model_validate({"histogram": "traffic_seconds", "quantile": quantile, "over": 10.0})
        for quantile in (0.1, 0.5, 0.95, 0.99)
    ]
    asked = [
        "rate(traffic_total[10s])",
        *(f"histogram_quantile({query.quantile}, rate(traffic_seconds_bucket[10s]))" for query in latencies),
    ]
    ends_s = time.monotonic() + 90.0
    try:
        while True:
            answers = await source.read([hits, *latencies], [exporter.url], 30.0)
            ours = [answer.reading.value for answer in answers if isinstance(answer.reading, Value)]
            theirs = [await asyncio.to_thread(prometheus.number, query) for query in asked]
            restarted = await asyncio.to_thread(prometheus.number, "resets(traffic_total[10s])")
            if restarted and len(ours) == len(theirs) and None not in theirs:
                close = [
                    math.isclose(our, their or 0.0, rel_tol=0.2)
                    for our, their in zip(ours, theirs, strict=True)
                ]
                if all(close) and math.isclose(ours[0], 100.0, rel_tol=0.2):
                    break
            assert time.monotonic() < ends_s, (ours, theirs)
            await asyncio.sleep(0.3)
    finally:
        exporter.page = None
    # The shares do not change over time, so the quantiles are the same whatever the samples.
    assert ours[1:] == pytest.approx(theirs[1:], rel=1e-6)


HISTOGRAMS = {
    "usual": {"0.1": 10, "0.5": 60, "1": 90, "+Inf": 100},
    "all_beyond": {"0.1": 0, "1": 0, "+Inf": 50},
    "all_in_the_first": {"0.1": 50, "1": 50, "+Inf": 50},
    "only_infinity": {"+Inf": 50},
    "no_infinity": {"0.1": 5, "1": 9},
    "nothing_seen": {"0.1": 0, "1": 0, "+Inf": 0},
    "below_zero": {"-1": 5, "0": 10, "2": 20, "+Inf": 20},
    "falling_counts": {"0.1": 10, "0.5": 8, "1": 30, "+Inf": 30},
    "one_bucket": {"0.25": 3, "+Inf": 4},
}


async def test_quantiles_of_odd_histograms_are_those_of_prometheus(
    exporter: Exporter, prometheus: Prometheus
) -> None:
    lines = [
        f'odd_bucket{{shape="{shape}",le="{le}"}} {count}'
        for shape, buckets in HISTOGRAMS.items()
        for le, count in buckets.items()
    ]
    exporter.page = lambda: "\n".join([*lines, "odd_seen 1", ""])
    try:
        await until_scraped(prometheus, "odd_seen", lambda value: value == 1)
        for shape, buckets in HISTOGRAMS.items():
            bounds = {float(le): float(count) for le, count in buckets.items()}
            for quantile in (0.0, 0.001, 0.5, 0.9, 0.95, 0.999, 1.0):
                asked = f'histogram_quantile({quantile}, odd_bucket{{shape="{shape}"}})'
                theirs = await asyncio.to_thread(prometheus.number, asked)
                ours = histogram_quantile(quantile, bounds)
                assert theirs is not None, asked
                assert ours == pytest.approx(theirs, nan_ok=True), (shape, quantile)
    finally:
        exporter.page = None


async def test_a_page_is_read_as_openmetrics_where_the_exporter_prefers_that(
    source: ExpositionSource, exporter: Exporter
) -> None:
    assert "openmetrics" in choose_encoder(ACCEPT)[1]  # as the exporter will choose
    ready = Gauge("negotiated_ready", "With an exemplar beside it.", registry=exporter.registry)
    ready.set(7)
    Counter("negotiated_hits", "Hits.", registry=exporter.registry).inc(3, exemplar={"trace_id": "a"})
    queries = [ExpositionQuery(gauge="negotiated_ready"), ExpositionQuery(counter="negotiated_hits_total")]
    await source.read(queries, [exporter.url], 30.0)
    gauge, rate = await source.read(queries, [exporter.url], 30.0)
    assert isinstance(gauge.reading, Value)
    assert isinstance(rate.reading, Value)
    assert (gauge.reading.value, rate.reading.value) == (7.0, 0.0)
