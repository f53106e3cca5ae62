"""Equal queries of all rules are asked once an interval."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from autoscaler.instrumentation.events import QueryAnswered
from autoscaler.prometheus.answers import Number
from autoscaler.prometheus.shared import Heard
from tests.autoscaler.fakes import Recorder
from tests.autoscaler.prometheus_asking import ask, asking, number, reason
from tests.autoscaler.prometheus_front import Front, answering, never, running_front
from tests.autoscaler.prometheus_server import Prometheus

DAY_S = 86400.0


@pytest.fixture
async def front(prometheus: Prometheus) -> AsyncIterator[Front]:
    async with running_front(prometheus.url) as front:
        yield front


async def test_rules_that_ask_together_are_answered_together(front: Front, recorder: Recorder) -> None:
    async with asking(front.url, recorder) as queries:
        answers = await asyncio.gather(*(ask(queries, "vector(7)") for _ in range(50)))
    assert {number(answer) for answer in answers} == {7}
    assert front.queries == ["vector(7)"]
    assert [event.ok for event in recorder.of(QueryAnswered)] == [True]


async def test_rules_that_ask_one_after_the_other_share_an_answer_for_half_an_interval(front: Front) -> None:
    async with asking(front.url) as queries:
        first = await ask(queries, "time()", interval_s=DAY_S)
        assert await ask(queries, "time()", interval_s=DAY_S) == first
        assert number(await ask(queries, "time()", interval_s=0.0)) > number(first)
    assert front.queries == ["time()", "time()"]


async def test_a_freshness_is_shared_like_any_query(front: Front) -> None:
    async with asking(front.url) as queries:
        for query in ("vector(1)", "vector(2)"):
            await ask(queries, query, freshness="time()", interval_s=DAY_S)
    assert sorted(front.queries) == ["time()", "vector(1)", "vector(2)"]


async def test_a_failure_is_not_shared_with_later_rounds(front: Front, recorder: Recorder) -> None:
    front.behave = answering(404)
    async with asking(front.url, recorder) as queries:
        assert "HTTP 404" in reason(await ask(queries, "vector(1)", interval_s=DAY_S))
        front.behave = None
        assert number(await ask(queries, "vector(1)", interval_s=DAY_S)) == 1
    assert [event.ok for event in recorder.of(QueryAnswered)] == [False, True]


async def test_a_rule_with_more_time_outlasts_one_in_a_hurry(front: Front) -> None:
    async def hang_once(request: web.Request) -> web.StreamResponse | None:
        return await never(request) if len(front.seen) == 1 else None

    front.behave = hang_once
    async with asking(front.url) as queries:
        hurried = ask(queries, "vector(1)", deadline_s=3.0)
        patient = ask(queries, "vector(1)", deadline_s=60.0)
        first, second = await asyncio.gather(hurried, patient)
    assert "no answer within 3 s" in reason(first)
    assert number(second) == 1


async def test_an_answer_knows_when_it_was_asked_for(front: Front) -> None:
    async with asking(front.url) as queries:
        first = await queries.ask("vector(1)", 30.0, DAY_S)
        again = await queries.ask("vector(1)", 30.0, DAY_S)
    assert isinstance(first, Heard)
    assert isinstance(first.number, Number)
    assert again is first
