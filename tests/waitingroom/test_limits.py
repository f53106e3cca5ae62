"""Who a client is and how often it may ask; and that a refused join takes no number."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from redis.asyncio import Redis

from rulebook.addresses import client_key
from tests.waitingroom.living import JSON, living
from tests.waitingroom.samples import onsale
from waitingroom.gate.trust import TrustedProxies
from waitingroom.web.limits import ClientBuckets, Clients, Limit

_URLENCODED = "application/x-www-form-urlencoded"
PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:ffff::/48"])


def forwarded(*values: str) -> CIMultiDict[str]:
    return CIMultiDict(("X-Forwarded-For", value) for value in values)


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        pytest.param("203.0.113.9", (), "203.0.113.9", id="directly"),
        pytest.param("203.0.113.9", ("198.51.100.1",), "203.0.113.9", id="a stranger's header is nothing"),
        pytest.param("10.0.0.1", ("198.51.100.1",), "198.51.100.1", id="through a proxy"),
        pytest.param("10.0.0.1", ("198.51.100.1, 10.0.0.2",), "198.51.100.1", id="through two"),
        pytest.param("10.0.0.1", ("6.6.6.6, 198.51.100.1",), "198.51.100.1", id="the left may be invented"),
        pytest.param("10.0.0.1", ("6.6.6.6", "198.51.100.1"), "198.51.100.1", id="two headers"),
        pytest.param("10.0.0.1", ("198.51.100.1:4711",), "198.51.100.1", id="with a port"),
        pytest.param("10.0.0.1", ("[2001:db8::1]:4711",), "2001:db8::/64", id="IPv6 with a port"),
        pytest.param("10.0.0.1", ("6.6.6.6, nonsense",), "10.0.0.1", id="nonsense ends the chain"),
        pytest.param("10.0.0.1", (), "10.0.0.1", id="a proxy which names nobody"),
        pytest.param("2001:db8:1:2:3::4", (), "2001:db8:1:2::/64", id="IPv6 by its /64"),
        pytest.param("::ffff:203.0.113.9", (), "203.0.113.9", id="IPv4 in IPv6"),
        pytest.param("fe80::1%eth0", (), "fe80::/64", id="with a zone"),
        pytest.param(None, (), "local", id="no address"),
    ],
)
def test_a_client_is_the_nearest_address_that_is_no_proxy(
    peer: str | None, values: tuple[str, ...], client: str
) -> None:
    assert Clients(PROXIES).client(peer, forwarded(*values)) == client


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = ClientBuckets(2.0, 3)
    assert [buckets.take("ann", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("bob", 100.0) == 0.0
    assert buckets.take("ann", 100.25) == pytest.approx(0.25)
    assert buckets.take("ann", 100.5) == 0.0
    assert [buckets.take("ann", 1_000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("burst", "workers", "at_once"),
    [
        pytest.param(8, 1, 8, id="one worker"),
        pytest.param(8, 4, 2, id="each of four"),
        pytest.param(3, 64, 1, id="one at the least"),
    ],
)
def test_workers_share_out_what_a_client_may_do(
    monkeypatch: pytest.MonkeyPatch, burst: int, workers: int, at_once: int
) -> None:
    monkeypatch.setattr("waitingroom.web.limits.time", SimpleNamespace(monotonic=lambda: 1_000.0))
    limit = Limit(Clients(PROXIES), 0.02, burst, workers=workers)
    request = make_mocked_request("POST", "/cactus/join")
    assert [limit.take(request) for _ in range(at_once)] == [0.0] * at_once
    assert limit.take(request) == pytest.approx(workers / 0.02)


def test_a_rate_of_0_is_no_limit() -> None:
    limit = Limit(Clients(PROXIES), 0.0, 1, workers=4)
    assert {limit.take(make_mocked_request("POST", "/cactus/join")) for _ in range(100)} == {0.0}


def test_a_refused_question_costs_nothing_and_time_gives_nothing_back_by_going_back() -> None:
    buckets = ClientBuckets(1.0, 1)
    assert buckets.take("ann", 5.0) == 0.0
    assert [buckets.take("ann", 5.0) for _ in range(3)] == [1.0] * 3
    assert buckets.take("ann", 4.0) == 1.0
    buckets.give_back("ann", 5.0)
    buckets.give_back("ann", 5.0)
    assert [buckets.take("ann", 5.0) for _ in range(2)] == [0.0, 1.0]


def test_memory_is_bounded() -> None:
    buckets = ClientBuckets(1.0, 1, remembered=100)
    for number in range(10_000):
        buckets.take(client_key(f"10.1.{number // 256}.{number % 256}"), 0.0)
    assert len(buckets._buckets._new) + len(buckets._buckets._old) <= 200


async def test_a_refused_join_takes_no_number(tmp_path: Path, store_url: str, client: Redis) -> None:
    slow = onsale(admission={"rate": "0.001/s", "burst": 1})
    async with living(tmp_path, store_url, slow, join_rate_per_s=0.01, join_burst=3) as here:
        numbers = []
        for attempt in range(6):
            headers = {**JSON, "X-Forwarded-For": "198.51.100.7"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(f"{here.room}/cactus/join") as answer,
            ):
                document = await answer.json()
                if attempt < 3:
                    numbers.append(document["number"])
                else:
                    assert answer.status == 429
                    assert answer.content_type == "application/problem+json"
                    assert int(answer.headers["Retry-After"]) > 30
        async with here.buyer() as other, other.post(f"{here.room}/cactus/join") as answer:
            assert (await answer.json())["number"] == 4
        assert numbers == [1, 2, 3]


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (b"code=\xff", _URLENCODED),
        (b"code=x", f"{_URLENCODED}; charset=nonsense"),
        (b"code=x", f"{_URLENCODED}; charset=hex"),
        (b"code=x", f"{_URLENCODED}; charset*=utf-8''utf-8%00"),
        (b"code=x", f"{_URLENCODED}; charset*=punycode''a"),
        (b"{}", "multipart/form-data; boundary=x"),
    ],
)
@pytest.mark.parametrize("path", ["join", "enter", "code", "move"])
async def test_a_form_that_is_no_text_is_the_senders_mistake_and_fills_no_log(
    tmp_path: Path,
    store_url: str,
    client: Redis,
    capsys: pytest.CaptureFixture[str],
    path: str,
    form: bytes,
    kind: str,
) -> None:
    told = {"Content-Type": kind, "Accept": "text/html"}
    async with (
        living(tmp_path, store_url, onsale()) as here,
        aiohttp.ClientSession(headers=told) as stranger,
        stranger.post(f"{here.room}/cactus/{path}", data=form) as answer,
    ):
        assert answer.status == 400
    assert "Traceback" not in capsys.readouterr().out


async def test_a_body_that_is_too_long_or_too_slow_is_refused(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitingroom.web.security.Shield.__init__.__kwdefaults__", {"body_within_s": 0.1})
    async with living(tmp_path, store_url, onsale()) as here, here.buyer() as buyer:
        async with buyer.post(f"{here.room}/cactus/join", data=b"x" * 20_000) as answer:
            assert answer.status == 413
            assert answer.content_type == "application/problem+json"
        host, _, port = here.room.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /cactus/join HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        async with asyncio.timeout(30):
            answered = await reader.readline()
        assert answered.startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()
        async with buyer.post(f"{here.room}/cactus/join") as answer:
            assert (await answer.json())["number"] == 1


async def test_every_answer_has_its_security_headers_and_a_request_id(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), secure_cookies=True) as here, here.buyer() as buyer:
        for path in ("/cactus/", "/cactus/state", "/nothing/here", "/static/room.css", "/openapi.json"):
            async with buyer.get(here.room + path, headers={"X-Request-Id": "trace-1"}) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                policy = answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in policy
                assert "default-src 'none'" in policy or "default-src 'self'" in policy
                assert "unsafe-" not in policy
                assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
                assert answer.headers["X-Request-Id"] == "trace-1"
        async with buyer.delete(f"{here.room}/cactus/join") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
            assert answer.content_type == "application/problem+json"


async def test_a_strangers_request_id_is_not_taken(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with (
        living(tmp_path, store_url, onsale(), trusted_proxies=("10.0.0.0/8",)) as here,
        here.buyer() as buyer,
    ):
        ids = set()
        for _ in range(2):
            async with buyer.get(f"{here.room}/healthz", headers={"X-Request-Id": "mine"}) as answer:
                ids.add(answer.headers["X-Request-Id"])
        assert len(ids - {"mine"}) == 2


@pytest.mark.parametrize(
    ("path", "origin", "shared"),
    [
        pytest.param("/cactus/status", "https://shop.example.org", True, id="the onsale's shop"),
        pytest.param("/cactus/status", "https://shop.example.org:8443", False, id="another port"),
        pytest.param("/cactus/status", "http://shop.example.org", False, id="another scheme"),
        pytest.param("/cactus/status", "https://evil.example.org", False, id="a stranger"),
        pytest.param("/cactus/status", "null", False, id="no origin"),
        pytest.param("/tulip/status", "https://shop.example.org", False, id="another onsale's shop"),
        pytest.param("/healthz", "https://shop.example.org", False, id="no onsale"),
    ],
)
async def test_only_the_onsales_own_shop_may_read_across_origins(
    tmp_path: Path, store_url: str, client: Redis, path: str, origin: str, shared: bool
) -> None:
    tulip = onsale("tulip", shop="https://tulips.example.org/", protect=[{"path": "/tulip"}])
    async with living(tmp_path, store_url, onsale(), tulip) as here, here.buyer() as buyer:
        async with buyer.get(here.room + path, headers={"Origin": origin}) as answer:
            assert answer.headers.get("Access-Control-Allow-Origin") == (origin if shared else None)
            assert answer.headers.get("Access-Control-Allow-Credentials") == ("true" if shared else None)
            assert "Origin" in answer.headers["Vary"]
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with buyer.options(here.room + path, headers=asked) as answer:
            assert answer.status == 204
            assert ("Access-Control-Allow-Methods" in answer.headers) == shared
