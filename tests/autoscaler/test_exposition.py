"""Signals read from replicas over real HTTP: what they come to, and why there is none."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from autoscaler.sources.base import Answer
from autoscaler.sources.exposition import ExpositionSource
from rulebook.observation import Missing, Value
from rulebook.signals import ExpositionQuery
from tests.autoscaler.fakes import ManualClock
from tests.autoscaler.metrics_server import OPENMETRICS, MetricsReplica, serve_replicas

DEADLINE_S = 20.0


@pytest.fixture
async def source(clock: ManualClock) -> AsyncIterator[ExpositionSource]:
    async with aiohttp.ClientSession() as http:
        yield ExpositionSource(http, clock)


def query(**fields: Any) -> ExpositionQuery:
    return ExpositionQuery.model_validate(fields)


async def ask(
    source: ExpositionSource, asked: ExpositionQuery, urls: list[str], deadline_s: float = DEADLINE_S
) -> Answer:
    (answer,) = await source.read([asked], urls, deadline_s)
    return answer


def number(answer: Answer) -> float:
    assert isinstance(answer.reading, Value), answer
    return answer.reading.value


def reason(answer: Answer) -> str:
    assert isinstance(answer.reading, Missing), answer
    return answer.reading.reason


@pytest.mark.parametrize(("aggregate", "expected"), [("sum", 60.0), ("avg", 20.0), ("max", 40.0)])
async def test_gauges_of_all_replicas_become_one_number(
    source: ExpositionSource, clock: ManualClock, aggregate: str, expected: float
) -> None:
    async with serve_replicas(*(MetricsReplica(f"busy {count}") for count in (5, 15, 40))) as urls:
        answer = await ask(source, query(gauge="busy", aggregate=aggregate), urls)
    assert answer == Answer(Value(expected, clock.now_s()))


async def test_only_series_with_the_labels_asked_for_count(source: ExpositionSource) -> None:
    text = 'busy{kind="a",room="1"} 1\nbusy{kind="a",room="2"} 2\nbusy{kind="b"} 4\nbusyness 8\n'
    async with serve_replicas(MetricsReplica(text)) as urls:
        assert number(await ask(source, query(gauge="busy", labels={"kind": "a"}), urls)) == 3
        assert number(await ask(source, query(gauge="busy", labels={"room": ""}), urls)) == 4


async def test_a_counter_becomes_a_rate_at_its_second_reading(
    source: ExpositionSource, clock: ManualClock
) -> None:
    replica = MetricsReplica("hits_total 100")
    async with serve_replicas(replica) as urls:
        assert (
            reason(await ask(source, query(counter="hits_total"), urls))
            == "the first reading; a rate needs two"
        )
        clock.advance(10)
        replica.text = "hits_total 150"
        assert number(await ask(source, query(counter="hits_total"), urls)) == pytest.approx(5)


async def test_a_replica_that_restarts_comes_or_goes_keeps_the_rate_sane(
    source: ExpositionSource, clock: ManualClock
) -> None:
    hits = query(counter="hits_total")
    one, other = MetricsReplica("hits_total 1000"), MetricsReplica("hits_total 5000000")
    async with serve_replicas(one, other) as (first, second):
        await ask(source, hits, [first])
        clock.advance(10)
        one.text = "hits_total 1100"
        assert number(await ask(source, hits, [first, second])) == pytest.approx(10)
        clock.advance(10)
        one.text, other.text = "hits_total 20", "hits_total 5000100"
        assert number(await ask(source, hits, [first, second])) == pytest.approx(120 / 20 + 10)
        clock.advance(10)
        other.text = "hits_total 5000200"
        assert number(await ask(source, hits, [second])) == pytest.approx(10)
        clock.advance(10)
        assert number(await ask(source, hits, [first, second])) == pytest.approx(20 / 30 + 200 / 30)


async def test_a_replica_that_was_away_for_a_window_begins_anew(
    source: ExpositionSource, clock: ManualClock
) -> None:
    hits = query(counter="hits_total")
    one, other = MetricsReplica("hits_total 0"), MetricsReplica("hits_total 0")
    async with serve_replicas(one, other) as (first, second):
        await ask(source, hits, [first, second])
        for _ in range(4):
            clock.advance(10)
            await ask(source, hits, [second])
        one.text = "hits_total 900"
        assert number(await ask(source, hits, [first, second])) == 0


async def test_an_openmetrics_counter_is_found_without_its_suffix(
    source: ExpositionSource, clock: ManualClock
) -> None:
    replica = MetricsReplica("# TYPE hits counter\nhits_total 1\n# EOF\n")
    replica.content_type = OPENMETRICS
    async with serve_replicas(replica) as urls:
        await ask(source, query(counter="hits"), urls)
        clock.advance(1)
        replica.text = "# TYPE hits counter\nhits_total 4\n# EOF\n"
        assert number(await ask(source, query(counter="hits"), urls)) == pytest.approx(3)


async def test_a_quantile_is_that_of_the_windows_observations(
    source: ExpositionSource, clock: ManualClock
) -> None:
    latency = query(histogram="took_seconds", quantile=0.5, over="20s")

    def page(fast: int, total: int) -> str:
        return f'took_seconds_bucket{{le="0.1"}} {fast}\ntook_seconds_bucket{{le="1"}} {total}\n' + (
            f'took_seconds_bucket{{le="+Inf"}} {total}\n'
        )

    one, other = MetricsReplica(page(1000, 1000)), MetricsReplica(page(0, 0))
    async with serve_replicas(one, other) as urls:
        first = (await ask(source, latency, urls)).reading
        assert first == Missing("the first reading; a quantile over a window needs two")
        clock.advance(10)
        quiet = (await ask(source, latency, urls)).reading
        assert quiet == Missing("no observation in the last 20 s", answered=True)
        clock.advance(10)
        one.text, other.text = page(1000, 1010), page(0, 10)
        assert number(await ask(source, latency, urls)) == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        pytest.param("", 200, "no page shows busy", id="empty"),
        pytest.param("other 1\n", 200, "no page shows busy", id="another metric only"),
        pytest.param("busy NaN\n", 200, "0 of 1 replicas answered; URL/metrics: busy is NaN", id="NaN"),
        pytest.param("busy 1\n", 503, "0 of 1 replicas answered; URL/metrics: HTTP 503", id="an error page"),
        pytest.param(
            "<html> no\n",
            200,
            "0 of 1 replicas answered; URL/metrics: not a metrics page: invalid metric name:<html> no",
            id="no metrics page",
        ),
    ],
)
async def test_a_page_without_the_number_is_missing_with_a_reason(
    source: ExpositionSource, text: str, status: int, why: str
) -> None:
    replica = MetricsReplica(text)
    replica.status = status
    async with serve_replicas(replica) as (url,):
        assert reason(await ask(source, query(gauge="busy"), [url])) == why.replace("URL", url)


async def test_without_replicas_there_is_nothing_to_read(source: ExpositionSource) -> None:
    assert reason(await ask(source, query(gauge="busy"), [])) == "no ready replica to read"


async def test_a_replica_that_is_gone_is_missing(source: ExpositionSource) -> None:
    async with serve_replicas(MetricsReplica("busy 1")) as urls:
        pass
    assert reason(await ask(source, query(gauge="busy"), urls)).startswith(
        f"0 of 1 replicas answered; {urls[0]}"
    )


async def test_a_slow_replica_does_not_hold_up_the_others(source: ExpositionSource) -> None:
    slow = MetricsReplica()
    slow.hang = True
    async with serve_replicas(MetricsReplica("busy 10"), MetricsReplica("busy 20"), slow) as urls:
        answer = await ask(source, query(gauge="busy"), urls, deadline_s=5.0)
    assert answer.note == f"2 of 3 replicas answered; {slow.url}/metrics: no answer within 5 s"


async def test_half_of_the_replicas_speak_for_all(source: ExpositionSource, clock: ManualClock) -> None:
    silent = MetricsReplica()
    silent.status = 500
    async with serve_replicas(MetricsReplica("busy 10"), silent) as urls:
        for aggregate, expected in (("sum", 20), ("avg", 10), ("max", 10)):
            assert number(await ask(source, query(gauge="busy", aggregate=aggregate), urls)) == expected


async def test_fewer_than_half_speak_for_nobody(source: ExpositionSource) -> None:
    silent = [MetricsReplica(), MetricsReplica()]
    for replica in silent:
        replica.status = 500
    async with serve_replicas(MetricsReplica("busy 10"), *silent) as urls:
        why = reason(await ask(source, query(gauge="busy"), urls))
    assert why == f"1 of 3 replicas answered; {silent[0].url}/metrics: HTTP 500"


async def test_all_queries_of_a_round_share_one_request_a_page(source: ExpositionSource) -> None:
    replica = MetricsReplica("busy 1\nhits_total 2\n")
    async with serve_replicas(replica) as urls:
        answers = await source.read([query(gauge="busy"), query(counter="hits_total")], urls, DEADLINE_S)
    assert (len(answers), replica.requests) == (2, 1)


async def test_a_query_with_urls_of_its_own_reads_those(source: ExpositionSource) -> None:
    async with serve_replicas(MetricsReplica("busy 10"), MetricsReplica("busy 20")) as (first, second):
        by_base = query(gauge="busy", urls=[first])
        by_page = query(gauge="busy", urls=[f"{second}/metrics"], path="/unused")
        answers = await source.read([by_base, by_page], ["http://127.0.0.1:1"], DEADLINE_S)
    assert [number(answer) for answer in answers] == [10, 20]
