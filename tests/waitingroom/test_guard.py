"""Which requests need a pass: no spelling of a path leads around the gate."""

import pytest

from tests.waitingroom.samples import onsale
from waitingroom.gate.guard import Guard

CACTUS = onsale(
    "cactus",
    protect=[{"host": "tickets.example.org", "path": "/cactus"}],
    bypass=[{"path": "/cactus/static"}, {"path": "/cactus/webhooks", "methods": ["POST"]}],
)
VIP = onsale("vip", protect=[{"host": "tickets.example.org", "path": "/cactus/vip"}])
GUARD = Guard([CACTUS, VIP])


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
    found = GUARD.find(method, host, path)
    assert (found.name if found else None) == expected
