"""Metrics pages of replicas: fetched together under one deadline, and cut down to the series somebody asked for.

The parser is prometheus_client's, for the text format and for OpenMetrics, whichever the page says it is. It takes tens of
microseconds a line, and it runs on the event loop: so lines of other metrics are dropped before it sees them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import aiohttp
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from autoscaler.clock import Clock
from autoscaler.errors import brief
from autoscaler.sources.windows import Labels

PAGE_LIMIT_BYTES = 16 * 2**20
OPENMETRICS = "application/openmetrics-text"
_ACCEPT = {"Accept": "text/plain;version=0.0.4, */*;q=0.1"}


@dataclass(frozen=True, slots=True)
class Page:
    """What one replica showed: series by sample name, read at `at_s` (monotonic seconds)."""

    url: str
    at_s: float
    series: dict[str, dict[Labels, float]]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A replica that showed no page which can be used."""

    url: str
    reason: str


async def fetch_pages(
    http: aiohttp.ClientSession,
    urls: Iterable[str],
    metrics: Collection[str],
    deadline_s: float,
    clock: Clock,
) -> list[Page | Unanswered]:
    """Fetch all pages at once; each has until the deadline, and none waits for another."""
    return list(await asyncio.gather(*(_fetch_page(http, url, metrics, deadline_s, clock) for url in urls)))


def parse_page(text: str, content_type: str, metrics: Collection[str]) -> dict[str, dict[Labels, float]]:
    """Return the series of all samples whose names begin with one of `metrics`.

    Raises:
        ValueError: this is not a metrics page.
    """
    parse = parse_openmetrics if content_type == OPENMETRICS else parse_text
    families: Iterable[Metric] = parse(_only(text, tuple(metrics)))
    series: dict[str, dict[Labels, float]] = {}
    for family in families:
        for sample in family.samples:
            series.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return series


async def _fetch_page(
    http: aiohttp.ClientSession, url: str, metrics: Collection[str], deadline_s: float, clock: Clock
) -> Page | Unanswered:
    try:
        async with (
            asyncio.timeout(deadline_s),
            http.get(url, headers=_ACCEPT, timeout=aiohttp.ClientTimeout()) as response,
        ):
            if response.status != 200:
                return Unanswered(url, f"HTTP {response.status}")
            body = await _read(response)
            if body is None:
                return Unanswered(url, f"page larger than {PAGE_LIMIT_BYTES >> 20} MiB")
            text = body.decode("utf-8", errors="replace")
            return Page(url, clock.monotonic_s(), parse_page(text, response.content_type, metrics))
    except TimeoutError:
        return Unanswered(url, f"no answer within {deadline_s:g} s")
    except ValueError as error:
        return Unanswered(url, f"not a metrics page: {brief(error)}")
    except (aiohttp.ClientError, OSError) as error:
        return Unanswered(url, brief(error))


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(2**16):
        size += len(chunk)
        if size > PAGE_LIMIT_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _only(text: str, metrics: tuple[str, ...]) -> str:
    """Keep the lines of some metrics, and what describes them; a page without any text in our format stays as it is."""
    kept = []
    known = False
    for line in text.splitlines():
        if line.startswith("#"):
            known = True
            words = line.split(" ", 3)
            if line == "# EOF" or (len(words) > 2 and words[2].startswith(metrics)):
                kept.append(line)
        elif line.startswith(metrics):
            known = True
            kept.append(line)
    return "\n".join(kept) + "\n" if known else text
