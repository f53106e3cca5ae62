"""Signals read from the replicas' own metrics pages, for set-ups without Prometheus.

Each page is fetched once an interval, whatever the number of queries. The source remembers, per query and replica, the counters
of the window; it belongs to one rule, whose interval is the pace of its samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp

from autoscaler.clock import Clock
from autoscaler.sources.base import Answer
from autoscaler.sources.pages import Page, Unanswered, fetch_pages
from autoscaler.sources.quantile import histogram_quantile
from autoscaler.sources.windows import History, Labels, Sample, extend, rate_per_s, summed_increases
from rulebook.observation import Missing, Value
from rulebook.signals import ExpositionQuery


class ExpositionSource:
    """Reads gauges, rates of counters and quantiles of histograms from /metrics pages."""

    def __init__(self, http: aiohttp.ClientSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._histories: dict[str, dict[str, History]] = {}

    async def read(
        self, queries: Sequence[ExpositionQuery], replicas: Sequence[str], deadline_s: float
    ) -> Sequence[Answer]:
        """Fetch every page once and answer each query from those that came."""
        urls = [_page_urls(query, replicas) for query in queries]
        distinct = dict.fromkeys(url for some in urls for url in some)
        metrics = {_metric(query) for query in queries}
        fetched = await fetch_pages(self._http, distinct, metrics, deadline_s, self._clock)
        pages = {page.url: page for page in fetched}
        # The rule may have been written anew: a query that is no longer asked has no window to go on with.
        for gone in self._histories.keys() - {_identity(query) for query in queries}:
            del self._histories[gone]
        return [
            self._answer(query, [pages[url] for url in some])
            for query, some in zip(queries, urls, strict=True)
        ]

    def _answer(self, query: ExpositionQuery, pages: Sequence[Page | Unanswered]) -> Answer:
        if not pages:
            return Answer(Missing("no ready replica to read"))
        shown: dict[str, Mapping[Labels, float]] = {}
        silent: list[str] = []
        for page in pages:
            if isinstance(page, Unanswered):
                silent.append(f"{page.url}: {page.reason}")
                continue
            series = _select(query, page)
            if query.gauge is not None and any(math.isnan(value) for value in series.values()):
                silent.append(f"{page.url}: {query.gauge} is NaN")
                continue
            shown[page.url] = {labels: value for labels, value in series.items() if not math.isnan(value)}
        note = f"{len(shown)} of {len(pages)} replicas answered; {silent[0]}" if silent else ""
        if query.gauge is None:
            self._remember(query, pages, shown)
        if len(shown) * 2 < len(pages):
            return Answer(Missing(note))
        outcome = self._measure(query, shown, share=len(shown) / len(pages))
        if isinstance(outcome, Missing):
            return Answer(outcome, note)
        return Answer(Value(outcome, self._clock.now_s()), note)

    def _remember(
        self,
        query: ExpositionQuery,
        pages: Sequence[Page | Unanswered],
        shown: Mapping[str, Mapping[Labels, float]],
    ) -> None:
        """Add what was shown to the histories.

        A silent replica keeps its own. One that has left keeps it for a window's time: most often it is overloaded and
        comes back, and without its history its load would be missing from the rate.
        """
        before = self._histories.get(_identity(query), {})
        forgotten_s = self._clock.monotonic_s() - query.over_s
        after = {url: history for url, history in before.items() if history[-1].at_s > forgotten_s}
        for page in pages:
            if isinstance(page, Page) and page.url in shown:
                sample = Sample(page.at_s, shown[page.url])
                after[page.url] = extend(before.get(page.url, ()), sample, query.over_s)
            elif page.url in before:
                after[page.url] = before[page.url]
        self._histories[_identity(query)] = after

    def _measure(
        self, query: ExpositionQuery, shown: Mapping[str, Mapping[Labels, float]], share: float
    ) -> float | Missing:
        """Return the number, or why there is none: pages that show nothing have answered, those read once only have not yet.

        Totals are scaled up to the replicas that did not answer (`share` of them did), as if they did as the others do:
        most often a replica is silent because it is overloaded, and a total without it would ask for fewer.
        """
        if not any(shown.values()):
            return Missing(f"no page shows {_metric(query)}{_braces(query.labels)}", answered=True)
        if query.gauge is not None:
            values = [value for series in shown.values() for value in series.values()]
            return {"sum": sum(values) / share, "avg": sum(values) / len(values), "max": max(values)}[
                query.aggregate
            ]
        known = self._histories[_identity(query)]
        histories = [known[url] for url in shown]
        if query.counter is not None:
            rate = rate_per_s(histories)
            return Missing("the first reading; a rate needs two") if rate is None else rate / share
        buckets = summed_increases(histories, "le")
        if buckets is None:
            return Missing("the first reading; a quantile over a window needs two")
        assert query.quantile is not None  # noqa: S101  # the document holds it with every histogram
        value = histogram_quantile(query.quantile, {float(bound): rise for bound, rise in buckets.items()})
        if math.isnan(value):
            return Missing(f"no observation in the last {query.over_s:g} s", answered=True)
        return value


def _metric(query: ExpositionQuery) -> str:
    return query.gauge or query.counter or f"{query.histogram}_bucket"


def _identity(query: ExpositionQuery) -> str:
    return query.model_dump_json()


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""


def _select(query: ExpositionQuery, page: Page) -> Mapping[Labels, float]:
    """Return the series which the query means; OpenMetrics counters are asked for with or without their `_total`."""
    name = _metric(query)
    series = page.series.get(name)
    if series is None and query.counter is not None:
        series = page.series.get(f"{name}_total")
    return {labels: value for labels, value in (series or {}).items() if _matches(query.labels, dict(labels))}


def _matches(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Tell whether all wanted labels are there; as in PromQL, an empty value means that there is none."""
    return all(labels.get(name, "") == value for name, value in wanted.items())


def _page_urls(query: ExpositionQuery, replicas: Sequence[str]) -> list[str]:
    """Return the pages to be read; the query's path is for bases, a URL with a path of its own is a page already."""
    urls = []
    for base in dict.fromkeys(query.urls or replicas):
        is_page = urlsplit(base).path.strip("/") != ""
        urls.append(base if is_page else base.rstrip("/") + query.path)
    return urls
