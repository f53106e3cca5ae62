"""Metrics pages of replicas: fetched together under one deadline, and cut down to the series somebody asked for.

The parser is prometheus_client's. It takes tens of microseconds a line, and it runs on the event loop: so lines of other metrics
are dropped before it sees them. Of OpenMetrics we keep what makes a page safe to use, its end (`# EOF`, without which it was cut
short), and drop what says nothing about a number: types, units, exemplars. The strict parser would refuse a whole page for a unit
that is missing from a name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import aiohttp
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.bodies import read_bounded
from autoscaler.clock import Clock
from autoscaler.errors import brief
from autoscaler.sources.windows import Labels
from autoscaler.wording import said

PAGE_LIMIT_BYTES = 16 * 2**20
OPENMETRICS = "application/openmetrics-text"
END = "# EOF"
ACCEPT = f"text/plain;version=0.0.4, {OPENMETRICS};version=1.0.0;q=0.8, */*;q=0.1"

# A sample of OpenMetrics: name and labels, then value and time, then perhaps an exemplar, which begins with " # ".
_SAMPLE = re.compile(r"""([^\s{]+(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)\s+([^#]*?)(?:\s+#.*)?""")


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
    if content_type == OPENMETRICS and not text.rstrip().endswith(END):
        raise ValueError(f"cut short: no {END} at its end")
    lines = _only(text, tuple(metrics), openmetrics=content_type == OPENMETRICS)
    families: Iterable[Metric] = text_string_to_metric_families(lines)
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
            http.get(url, headers={"Accept": ACCEPT}, timeout=aiohttp.ClientTimeout()) as response,
        ):
            if response.status != 200:
                return Unanswered(url, f"HTTP {response.status}")
            body = await read_bounded(response, PAGE_LIMIT_BYTES)
            if body is None:
                return Unanswered(url, f"page larger than {PAGE_LIMIT_BYTES >> 20} MiB")
            text = body.decode("utf-8", errors="replace")
            return Page(url, clock.monotonic_s(), parse_page(text, response.content_type, metrics))
    except TimeoutError:
        return Unanswered(url, f"no answer within {deadline_s:g} s")
    except ValueError as error:
        return Unanswered(url, f"not a metrics page: {brief(error)}")
    except (aiohttp.ClientError, OSError) as error:
        return Unanswered(url, said(error))


def _only(text: str, metrics: tuple[str, ...], *, openmetrics: bool) -> str:
    """Keep the samples of some metrics; a page without any text in our format stays as it is."""
    kept = []
    known = False
    for line in text.split("\n"):
        if line.startswith("#"):
            known = True
        elif line.startswith(metrics):
            known = True
            sample = _plain(line) if openmetrics else line
            if sample is not None:
                kept.append(sample)
    return "\n".join(kept) + "\n" if known else text


def _plain(line: str) -> str | None:
    """Take the exemplar off a sample of OpenMetrics; None for a native histogram, which is no number."""
    match = _SAMPLE.fullmatch(line.rstrip())
    if match is None:
        return line
    return None if match[2].startswith("{") else f"{match[1]} {match[2]}"
