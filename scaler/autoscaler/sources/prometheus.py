"""Signals read by PromQL.

How old a number is, only its `freshness` query can tell: an answer is always of this moment, and Prometheus goes on showing the
last sample of a series for its lookback (five minutes, unless set otherwise) when it can no longer be scraped in a way that
marks the series stale. The age is the difference of two times by the server's own clock, so that ours may differ from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autoscaler.prometheus.shared import Heard, SharedQueries
from autoscaler.sources.base import Answer
from rulebook.observation import Missing, Value
from rulebook.signals import PrometheusQuery

EARLIEST_S = 1e8
"""A freshness below this is no Unix time (it would be of 1973), but probably an age."""
AHEAD_S = 300.0
"""A freshness so far in the future is no skew, but probably in milliseconds."""


class PrometheusSource:
    """The queries of one rule, whose interval says for how long an answer may be shared with other rules."""

    def __init__(self, queries: SharedQueries, interval_s: float) -> None:
        self._queries = queries
        self._interval_s = interval_s

    async def read(
        self, queries: Sequence[PrometheusQuery], replicas: Sequence[str], deadline_s: float
    ) -> Sequence[Answer]:
        """Ask all queries at once."""
        return await asyncio.gather(*(self._answer(query, deadline_s) for query in queries))

    async def _answer(self, query: PrometheusQuery, deadline_s: float) -> Answer:
        if query.freshness is None:
            heard = await self._queries.ask(query.query, deadline_s, self._interval_s)
            return heard_as_answer(heard, None)
        heard, fresh = await asyncio.gather(
            self._queries.ask(query.query, deadline_s, self._interval_s),
            self._queries.ask(query.freshness, deadline_s, self._interval_s),
        )
        return heard_as_answer(heard, fresh)


def heard_as_answer(heard: Heard | Missing, fresh: Heard | Missing | None) -> Answer:
    """Put a number and its freshness together; `fresh` is None where nobody asks for it."""
    if isinstance(heard, Missing):
        return Answer(Missing(f"prometheus: {heard.reason}", heard.answered))
    age_s = 0.0
    if fresh is not None:
        if isinstance(fresh, Missing):
            return Answer(Missing(f"prometheus: freshness: {fresh.reason}"))
        newest_s, now_s = fresh.number.value, fresh.number.evaluated_at_s
        if newest_s < EARLIEST_S:
            return Answer(
                Missing(
                    f"prometheus: freshness gives {newest_s:g}, no Unix time: write timestamp(...), not an age"
                )
            )
        if newest_s - now_s > AHEAD_S:
            return Answer(
                Missing(f"prometheus: freshness gives {newest_s:.0f}, a time to come: it must be in seconds")
            )
        age_s = max(now_s - newest_s, 0.0)
    return Answer(Value(heard.number.value, heard.asked_at_s - age_s), heard.number.note)
