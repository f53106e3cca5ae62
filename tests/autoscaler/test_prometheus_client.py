"""What may stand between us and Prometheus, or in its place: each gives a reason, within the deadline."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from autoscaler.prometheus.client import ATTEMPTS
from tests.autoscaler.fakes import until
from tests.autoscaler.prometheus_asking import ask, asking, number, reason
from tests.autoscaler.prometheus_front import Behaviour, Front, answering, never, running_front
from tests.autoscaler.prometheus_server import Prometheus
from tests.ports import free_ports


@pytest.fixture
async def front(prometheus: Prometheus) -> AsyncIterator[Front]:
    async with running_front(prometheus.url) as front:
        yield front


def error(kind: str, text: str) -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": text})


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        pytest.param(answering(401), "HTTP 401, access refused: see --prometheus-token-file or --prometheus-username",
                     id="without access"),
        pytest.param(answering(302, Location="https://login.example.org/"),
                     "HTTP 302, sent elsewhere (to a login page?): give the address of the API itself", id="redirected"),
        pytest.param(answering(200, "<html>Sign in</html>", "text/html"),
                     "not the answer of a Prometheus: text/html instead of JSON (a proxy's login page?)",
                     id="a login page"),
        pytest.param(answering(404, "<html>", "text/html"),
                     "HTTP 404: there is no query API at this address; see --prometheus", id="another server"),
        pytest.param(answering(200, "[1, 2]"),
                     "not the answer of a Prometheus: JSON, but without the fields of one", id="JSON of another kind"),
        pytest.param(answering(200, '{"ok": true}'),
                     "not the answer of a Prometheus: JSON, but without the fields of one", id="another API"),
        pytest.param(answering(200, " " * 2**20 + "{}"),
                     "the answer is larger than 1 MiB: have the query give one series", id="a huge answer"),
        pytest.param(answering(422, error("execution", "many-to-many matching")),
                     "HTTP 422, execution: many-to-many matching", id="a query that cannot be run"),
        pytest.param(answering(503, error("timeout", "query timed out")), "HTTP 503, timeout: query timed out",
                     id="a query that takes too long"),
        pytest.param(answering(429, "slow down", "text/plain", Retry_After="3600"), "HTTP 429",
                     id="told to come back too late"),
    ],
)  # fmt: skip
async def test_what_is_of_no_use_to_ask_again_is_asked_once(
    front: Front, behaviour: Behaviour, why: str
) -> None:
    front.behave = behaviour
    async with asking(front.url) as queries:
        assert reason(await ask(queries, "vector(1)")) == f"prometheus: {why}"
    assert len(front.seen) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_asked_again_a_few_times(front: Front, status: int) -> None:
    front.behave = answering(status, "sorry", "text/plain")
    async with asking(front.url) as queries:
        assert reason(await ask(queries, "vector(1)")) == f"prometheus: HTTP {status}"
    assert len(front.seen) == ATTEMPTS


async def test_trouble_that_passes_within_the_interval_is_not_even_seen(front: Front) -> None:
    async def break_once(request: web.Request) -> web.StreamResponse | None:
        return web.Response(status=500) if len(front.seen) == 1 else None

    front.behave = break_once
    async with asking(front.url) as queries:
        assert number(await ask(queries, "vector(1)")) == 1
    assert len(front.seen) == 2


async def test_a_server_that_is_not_there_is_missing_with_the_systems_words() -> None:
    (port,) = free_ports(1)
    async with asking(f"http://127.0.0.1:{port}") as queries:
        why = reason(await ask(queries, "vector(1)"))
    assert why == f"prometheus: http://127.0.0.1:{port}: Connection refused"


async def test_a_slow_server_is_left_at_the_deadline_and_the_connection_with_it(front: Front) -> None:
    front.behave = never
    async with asking(front.url) as queries:
        answers = await asyncio.gather(*(ask(queries, f"vector({n})", deadline_s=1.0) for n in range(3)))
        assert {reason(answer) for answer in answers} == {"prometheus: no answer within 1 s"}
        await until(lambda: front.under_way == 0)
        front.behave = None
        assert number(await ask(queries, "vector(1)")) == 1


async def test_the_server_is_told_when_we_give_up(front: Front) -> None:
    async with asking(front.url) as queries:
        await ask(queries, "vector(1)", deadline_s=20.0)
    assert 0 < float(front.seen[0].query["timeout"].removesuffix("ms")) <= 20_000


async def test_never_more_requests_at_once_than_allowed(front: Front) -> None:
    async with asking(front.url, concurrency=3) as queries:
        answers = await asyncio.gather(*(ask(queries, f"vector({n})") for n in range(40)))
    assert [number(answer) for answer in answers] == list(range(40))
    assert front.most_under_way <= 3


async def test_headers_that_are_asked_for_are_sent(front: Front) -> None:
    async with asking(front.url, headers=(("X-Scope-OrgID", "shop"),)) as queries:
        await ask(queries, "vector(1)")
    assert front.seen[0].headers["X-Scope-OrgID"] == "shop"


async def test_a_long_query_goes_by_post(front: Front) -> None:
    async with asking(front.url) as queries:
        assert number(await ask(queries, "vector(1)" + " + 0" * 800)) == 1
        assert number(await ask(queries, "vector(1)")) == 1
    assert [request.method for request in front.seen] == ["POST", "GET"]


async def test_a_prefix_in_the_address_is_kept(front: Front) -> None:
    front.behave = answering(404)
    async with asking(f"{front.url}/select/0/prometheus/") as queries:
        await ask(queries, "vector(1)")
    assert front.seen[0].path == "/select/0/prometheus/api/v1/query"
