"""Asking a Prometheus by our own source, as a rule does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from autoscaler.background import Background
from autoscaler.clock import SystemClock
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.prometheus.client import PrometheusClient
from autoscaler.prometheus.shared import SharedQueries
from autoscaler.sources.base import Answer
from autoscaler.sources.prometheus import PrometheusSource
from rulebook.observation import Missing, Value
from rulebook.signals import PrometheusQuery
from tests.autoscaler.fakes import Recorder

DEADLINE_S = 30.0


@asynccontextmanager
async def asking_client(url: str, **access: Any) -> AsyncIterator[PrometheusClient]:
    """A client for the time of the context; keywords are fields of its access."""
    async with aiohttp.ClientSession() as http:
        yield PrometheusClient(PrometheusAccess(url=url, **access), http, SystemClock())


@asynccontextmanager
async def asking(url: str, recorder: Recorder | None = None, **access: Any) -> AsyncIterator[SharedQueries]:
    """Shared queries for the time of the context."""
    background = Background()
    async with asking_client(url, **access) as client:
        yield SharedQueries(client, SystemClock(), background, recorder or Recorder())
        await background.close()


async def ask(
    queries: SharedQueries,
    query: str,
    *,
    freshness: str | None = None,
    deadline_s: float = DEADLINE_S,
    interval_s: float = 0.0,
) -> Answer:
    """Ask as a rule with this interval; one of 0 shares no answer with an earlier question."""
    asked = PrometheusQuery(query=query, freshness=freshness)
    (answer,) = await PrometheusSource(queries, interval_s).read([asked], (), deadline_s)
    return answer


def number(answer: Answer) -> float:
    assert isinstance(answer.reading, Value), answer
    return answer.reading.value


def reason(answer: Answer) -> str:
    assert isinstance(answer.reading, Missing), answer
    return answer.reading.reason
