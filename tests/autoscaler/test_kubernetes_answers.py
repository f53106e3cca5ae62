"""What an API server's answers mean, and how fast requests may follow each other."""

import asyncio
import json

import pytest

from autoscaler import errors
from autoscaler.kubernetes.answers import decode, error_of, error_of_status
from autoscaler.kubernetes.limiter import Limiter
from autoscaler.kubernetes.pods import (
    Pod,
    endpoints_of,
    is_at_least,
    manager_of_replicas,
    read_pod,
    read_workload,
)
from tests.autoscaler.fakes import ManualClock

STATUS = {"kind": "Status", "status": "Failure", "message": "as the server says it", "reason": "X"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.Invalid),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.Missing),
        (409, errors.Conflict),
        (410, errors.Expired),
        (422, errors.Invalid),
        (500, errors.Unreachable),
        (503, errors.Unreachable),
        (418, errors.Unreachable),
    ],
)
def test_each_code_is_an_error_of_its_own(code: int, kind: type[errors.KubernetesError]) -> None:
    error = error_of(code, json.dumps({**STATUS, "code": code}).encode(), {})
    assert type(error) is kind
    assert "as the server says it" in str(error)


@pytest.mark.parametrize(
    ("code", "headers", "details", "wait_s"),
    [
        (429, {"retry-after": "3"}, {}, 3.0),
        (429, {}, {"retryAfterSeconds": 5}, 5.0),
        (429, {}, {}, 1.0),
        (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {"retryAfterSeconds": 2}, 2.0),
        (503, {"retry-after": "7"}, {}, 7.0),
    ],
)
def test_a_throttled_request_tells_when_to_come_back(
    code: int, headers: dict[str, str], details: dict[str, object], wait_s: float
) -> None:
    error = error_of(code, json.dumps({**STATUS, "details": details}).encode(), headers)
    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize("text", [b"<html>Log in</html>", b"[]", b"", b'"text"'])
def test_what_no_api_server_writes_is_no_answer(text: bytes) -> None:
    with pytest.raises(errors.Unreachable, match="the answer is not"):
        decode(text)


def test_long_texts_of_others_are_cut() -> None:
    assert len(str(error_of(403, b"x" * 100_000, {}))) < 300


def test_the_error_of_a_watch_is_read_from_its_status() -> None:
    gone = error_of_status({**STATUS, "code": 410, "reason": "Expired"})
    assert isinstance(gone, errors.Expired)
    assert isinstance(error_of_status(None), errors.Unreachable)


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate(clock: ManualClock) -> None:
    limiter = Limiter(2.0, 3, clock)
    for _ in range(3):
        await limiter.wait()
    assert clock.sleeping_until_s == []

    waiting = [asyncio.create_task(limiter.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert clock.sleeping_until_s == [0.5, 1.0]
    clock.advance(1.0)
    await asyncio.gather(*waiting)


async def test_who_would_wait_too_long_is_told_at_once(clock: ManualClock) -> None:
    limiter = Limiter(1.0, 1, clock)
    limiter.pause(60)
    with pytest.raises(errors.Throttled, match="the next may go in 60 s"):
        await limiter.wait()
    clock.advance(60)
    await limiter.wait()


async def test_a_request_that_is_given_up_gives_its_turn_back(clock: ManualClock) -> None:
    limiter = Limiter(2.0, 1, clock)
    await limiter.wait()
    given_up = [asyncio.create_task(limiter.wait()) for _ in range(10)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    waiting = asyncio.create_task(limiter.wait())
    await asyncio.sleep(0)
    assert clock.sleeping_until_s == [0.5]
    waiting.cancel()


def pod(name: str, ip: str = "10.0.0.1", **changes: object) -> Pod:
    return Pod(
        **{"name": name, "ip": ip, "ready": True, "ports": (("http", 8080), ("metrics", 9102)), **changes}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ports", "port", "url"),
    [
        ((("http", 8080), ("metrics", 9102)), None, "http://10.0.0.1:9102"),
        ((("http", 8080), ("admin", 9000)), None, "http://10.0.0.1:8080"),
        ((("http", 8080), ("admin", 9000)), "admin", "http://10.0.0.1:9000"),
        ((("http", 8080),), 7000, "http://10.0.0.1:7000"),
        ((), 7000, "http://10.0.0.1:7000"),
        ((), None, None),
        ((("http", 8080),), "admin", None),
    ],
)
def test_a_pod_is_read_at_the_port_it_means(
    ports: tuple[tuple[str, int], ...], port: int | str | None, url: str | None
) -> None:
    assert endpoints_of([pod("web-1", ports=ports)], port) == (() if url is None else (url,))


def test_only_ready_pods_with_an_address_are_read() -> None:
    pods = [pod("a", "10.0.0.3"), pod("b", "10.0.0.2", ready=False), pod("c", ""), pod("d", "fd00::1")]
    assert endpoints_of(pods, 80) == ("http://10.0.0.3:80", "http://[fd00::1]:80")


@pytest.mark.parametrize(
    ("condition", "leaving", "ready"),
    [("True", False, True), ("False", False, False), ("True", True, False), ("Unknown", False, False)],
)
def test_a_pod_serves_while_it_is_ready_and_not_leaving(condition: str, leaving: bool, ready: bool) -> None:
    metadata = {"name": "web-1", **({"deletionTimestamp": "2026-12-05T10:00:00Z"} if leaving else {})}
    status = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": condition}]}
    assert read_pod({"metadata": metadata, "status": status}).ready is ready


def test_a_workload_that_tells_nothing_is_known_by_its_version() -> None:
    workload = read_workload({"metadata": {"name": "web", "resourceVersion": "7", "uid": "u"}})
    assert (workload.version, workload.uid, workload.replicas, workload.ready) == ("7", "u", None, None)


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"app": "web", "tier": "shop"}}, "app=web,tier=shop"),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}, "tier in (a,b)"),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}, "tier notin (a)"),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}],
            },
            "!canary,app=web",
        ),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "app"),
        (None, ""),
        ("app=web", ""),
    ],
)
def test_a_selector_is_written_as_queries_have_it(selector: object, text: str) -> None:
    workload = read_workload({"metadata": {"name": "web"}, "spec": {"selector": selector}})
    assert workload.selector == text


@pytest.mark.parametrize(
    ("version", "other", "later"),
    [
        ("10", "9", True),
        ("9", "10", False),
        ("9", "9", True),
        ("9", "", True),
        ("", "9", False),
        ("b", "a", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, other: str, later: bool) -> None:
    assert is_at_least(version, other) is later


def test_the_last_manager_of_the_count_is_named() -> None:
    def entry(manager: str, time: str, fields: dict[str, object]) -> dict[str, object]:
        return {"manager": manager, "time": time, "fieldsV1": {"f:spec": fields}}

    owners = [
        entry("helm", "2026-12-05T09:00:00Z", {"f:replicas": {}}),
        entry("kubectl", "2026-12-05T10:00:00Z", {"f:replicas": {}}),
        entry("other", "2026-12-05T11:00:00Z", {"f:template": {}}),
    ]
    assert manager_of_replicas({"managedFields": owners}) == "kubectl"
    assert manager_of_replicas({}) == ""
