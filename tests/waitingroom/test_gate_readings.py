"""A path which servers may read in several ways is judged in each of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waitingroom.samples import onsale
from waitingroom.gate.guard import Guard, Judgement
from waitingroom.gate.readings import UnclearPath, canonical_path, readings

SHOP = "tickets.example.org"
GUARD = Guard(
    [
        onsale(
            "cactus",
            protect=[{"host": SHOP, "path": "/cactus"}],
            bypass=[{"path": "/cactus/static"}, {"path": "/cactus/hook", "methods": ["POST"]}],
        ),
        onsale("vip", protect=[{"host": SHOP, "path": "/vip"}]),
    ]
)


def needed(judgement: Judgement) -> str | None:
    """Name the onsale whose pass is needed."""
    return judgement.onsale.name if judgement.onsale is not None else None


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/cactus/../free", id="a server which resolves no dots"),
        pytest.param("/free/..;/cactus", id="a server which drops parameters"),
        pytest.param("/cactus;x=1/seats", id="parameters in the protected segment"),
        pytest.param("/free%2f..%2fcactus", id="encoded slashes"),
        pytest.param("/free/%5c../%2e%2e/cactus", id="encoded backslash"),
        pytest.param("/%2563actus", id="encoded twice"),
        pytest.param("/%252563actus", id="encoded three times"),
        pytest.param("///cactus", id="slashes"),
        pytest.param("/a//../cactus", id="dots after merged slashes"),
        pytest.param("/a//../../cactus", id="dots after kept slashes"),
        pytest.param("/x%2fy/../%63actus", id="dots resolved before anything is decoded"),
        pytest.param("/x/%2e%2e/y%2fz/../cactus", id="dots resolved before and after decoding"),
        pytest.param("/x;%2fy/../%5c%63actus", id="a proxy of one kind before a shop of another"),
        pytest.param("/cactus%3Fx/../../free", id="an encoded query"),
        pytest.param("/cactus/static/..%2fseats", id="out of a bypass"),
        pytest.param("/cactus/hook", id="a bypass for another method"),
    ],
)
def test_no_reading_leads_around_the_gate(path: str) -> None:
    assert needed(GUARD.judge("GET", SHOP, path)) == "cactus"


@pytest.mark.parametrize(
    ("host", "path", "reason"),
    [
        (SHOP, "/cactus/%2e%2e/vip", "guarded by two onsales"),
        (SHOP, "/cactus/..%2fvip", "guarded by two onsales"),
        (SHOP, "/free%00", "control characters"),
        (SHOP, "/free%250a", "control characters"),
        (SHOP, "/%2525252563actus", "still encoded after 3 decodings"),
        (SHOP, "/" + "%41" * 2000, "too long"),
        (SHOP, r"/\%25253ba%252f%2f%2e//%5c%3f//", "too many ways"),
        ("shop@evil.example", "/", "host: malformed"),
        ("", "/", "host: malformed"),
        ("a b", "/", "host: malformed"),
        ("a:b", "/", "host: malformed"),
        ("..", "/", "host: malformed"),
    ],
)
def test_a_request_that_cannot_be_judged_is_refused(host: str, path: str, reason: str) -> None:
    assert reason in GUARD.judge("GET", host, path).refused


@pytest.mark.parametrize(
    "host",
    [
        SHOP,
        "TICKETS.example.org:443",
        "tickets.example.org.",
        "tickets.example.org..",
        "Tickets.Example.Org.:80",
    ],
)
def test_every_spelling_of_a_host_is_that_host(host: str) -> None:
    assert needed(GUARD.judge("GET", host, "/cactus")) == "cactus"


@pytest.mark.parametrize(
    "path", ["/", "/free", "/cactusfest/..;v=1", "/free/a%20b", "/a+b/c(1)/~d/", "/caf%C3%A9", "/%zz"]
)
def test_ordinary_paths_stay_free(path: str) -> None:
    assert GUARD.judge("GET", SHOP, path) == Judgement()


def test_a_request_of_two_hosts_needs_what_either_needs() -> None:
    judgement = GUARD.judge_all("GET", ["other.example.org", SHOP], "/cactus")
    assert judgement.onsale is not None
    assert GUARD.judge_all("GET", [], "/cactus").refused


def test_protected_letters_outside_ascii_are_found_plain_and_encoded() -> None:
    guard = Guard([onsale("cafe", protect=[{"path": "/café"}])])
    assert needed(guard.judge("GET", SHOP, "/caf%C3%A9/seats")) == "cafe"
    assert needed(guard.judge("GET", SHOP, "/café/seats")) == "cafe"


@given(st.text(st.sampled_from("/.%25cactus;\\?#2fF5e "), max_size=30))
def test_the_plain_reading_is_always_among_the_readings(tail: str) -> None:
    path = "/" + tail
    try:
        found = readings(path)
    except UnclearPath:
        return
    assert canonical_path(path) in found
    assert all(reading.startswith("/") for reading in found)
    for reading in found:  # is what another server makes of it judged, too?
        assert canonical_path(reading.encode("latin-1").decode("utf-8", "surrogateescape")) in found


def test_dots_resolved_before_slashes_are_merged_are_a_reading() -> None:
    assert "/cactus/seats" in readings("/cactus///../seats")
