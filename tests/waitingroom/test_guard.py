"""Which requests need a pass: no spelling of a path leads around the gate."""

import re

import pytest

from tests.waitingroom.samples import onsale
from waitingroom.errors import ConfigurationError
from waitingroom.gate.guard import Guard

CACTUS = onsale(
    "cactus",
    protect=[{"host": "tickets.example.org", "path": "/cactus"}],
    bypass=[{"path": "/cactus/static"}, {"path": "/cactus/webhooks", "methods": ["POST"]}],
)
VIP = onsale("vip", protect=[{"host": "tickets.example.org", "path": "/cactus/vip"}])
GUARD = Guard([CACTUS, VIP], free_hosts=["other.example.org"])


@pytest.mark.parametrize(
    ("method", "host", "path", "expected"),
    [
        ("GET", "tickets.example.org", "/cactus", "cactus"),
        ("GET", "tickets.example.org:8443", "/cactus/seats", "cactus"),
        ("GET", "TICKETS.example.org", "/cactus/", "cactus"),
        ("GET", "tickets.example.org", "/cactusfest", None),
        ("GET", "other.example.org", "/cactus", None),
        ("GET", "tickets.example.org", "/", None),
        ("GET", "tickets.example.org", "/cactus/vip/lounge", "vip"),
        ("GET", "tickets.example.org", "/cactus/static/logo.png", None),
        ("POST", "tickets.example.org", "/cactus/webhooks/paid", None),
        ("GET", "tickets.example.org", "/cactus/webhooks/paid", "cactus"),
        ("GET", "tickets.example.org", "/cactus/static/../seats", "cactus"),
        ("GET", "tickets.example.org", "/cactus/static/%2e%2e/seats", "cactus"),
        ("GET", "tickets.example.org", "/cactus/static/%252e%252e/seats", "cactus"),
        ("GET", "tickets.example.org", "//cactus/seats", "cactus"),
        ("GET", "tickets.example.org", "/./cactus/seats", "cactus"),
        ("GET", "tickets.example.org", "/%63actus/seats", "cactus"),
        ("GET", "tickets.example.org", "/x/..\\cactus\\seats", "cactus"),
    ],
)
def test_a_request_is_guarded_by_its_longest_match(
    method: str, host: str, path: str, expected: str | None
) -> None:
    assert needed(GUARD, host, path, method) == expected


def needed(guard: Guard, host: str, path: str, method: str = "GET") -> str | None:
    judgement = guard.judge(method, host, path)
    return judgement.refused or (judgement.onsale.name if judgement.onsale else None)


TULIP = onsale("tulip", protect=[{"host": "tulip.example.org", "path": "/"}], bypass=[{"path": "/healthz"}])
ROSE = onsale("rose", protect=[{"path": "/rose"}])
SEVERAL = Guard([CACTUS, VIP, TULIP, ROSE], free_hosts=["www.example.org", "WWW2.example.org."])
TWO = "host: named by no onsale, and the path is guarded by two"


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        pytest.param("x", "/", "tulip", id="as the only host that guards it"),
        pytest.param("x", "/cactus", TWO, id="as each host that guards it"),
        pytest.param("x", "/healthz", None, id="free at all hosts"),
        pytest.param("x", "/cactus/static", "tulip", id="free at one host, guarded at another"),
        pytest.param("x", "/rose", "rose", id="the longer path is guarded at any host"),
        pytest.param("tulip.example.org", "/cactus", "tulip", id="at its own host as ever"),
        pytest.param("tulip.example.org", "/rose", "rose", id="at its own host the longer path"),
        pytest.param("www.example.org", "/cactus", None, id="a free host"),
        pytest.param("www2.example.org..:8443", "/cactus", None, id="a free host in another spelling"),
        pytest.param("www.example.org", "/rose", "rose", id="a free host, guarded at any"),
    ],
)
def test_a_host_that_nobody_has_named_is_judged_as_each_that_is(
    host: str, path: str, expected: str | None
) -> None:
    assert needed(SEVERAL, host, path) == expected


def test_the_longer_path_counts_at_a_host_without_a_name_too() -> None:
    guard = Guard([CACTUS, VIP])
    assert needed(guard, "x", "/cactus/vip/lounge") == "vip"
    assert needed(guard, "x", "/cactus/../cactus/vip") == TWO


def test_where_no_onsale_names_a_host_all_are_alike() -> None:
    judgement = Guard([ROSE]).judge("GET", "x", "/rose")
    assert judgement.onsale is not None
    assert not judgement.unnamed


@pytest.mark.parametrize(
    "text", ["", ".", "https://www.example.org", "www.example.org:80", "a b", "www.example.org/x"]
)
def test_a_free_host_that_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"free host {text!r}: not a host name")):
        Guard([], free_hosts=[text])
