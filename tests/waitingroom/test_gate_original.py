"""What a proxy says of the buyer's request is read exactly, or the request is refused."""

import pytest
from multidict import CIMultiDict

from waitingroom.gate.original import (
    OriginalRequest,
    UnreadableRequest,
    read_auth,
    read_forwarded,
    read_prefixed,
)

SHOP = "tickets.example.org"
Lines = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [
                ("X-Original-URL", f"https://{SHOP}/cactus?row=1,2"),
                ("X-Original-Method", "POST"),
                ("X-Forwarded-Proto", ""),
            ],
            OriginalRequest("POST", (SHOP,), "/cactus?row=1,2"),
            id="ingress-nginx",
        ),
        pytest.param(
            [("X-Original-URI", "/cactus"), ("Host", SHOP), ("X-Original-Method", "GET")],
            OriginalRequest("GET", (SHOP,), "/cactus"),
            id="nginx",
        ),
        pytest.param(
            [("X-Original-URI", "/cactus"), ("Host", SHOP), ("X-Forwarded-Host", "other.example.org")],
            OriginalRequest("", (SHOP, "other.example.org"), "/cactus"),
            id="nginx with a host added by the buyer: both count",
        ),
        pytest.param(
            [
                ("X-Forwarded-Method", "PUT"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", SHOP),
                ("X-Forwarded-Uri", "/cactus?a=b"),
                ("X-Forwarded-For", "192.0.2.1, 10.0.0.1"),
                ("Host", "gate"),
            ],
            OriginalRequest("PUT", (SHOP,), "/cactus?a=b"),
            id="X-Forwarded",
        ),
        pytest.param(
            [
                ("X-Original-URI", "/cactus"),
                ("Host", SHOP),
                ("X_Forwarded_Host", "x"),
                ("X_Original_URL", "https://x/"),
            ],
            OriginalRequest("", (SHOP,), "/cactus"),
            id="names with underscores are not looked at",
        ),
    ],
)
def test_each_proxy_is_understood(lines: Lines, expected: OriginalRequest) -> None:
    assert read_auth(CIMultiDict(lines), {}) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([("Host", SHOP)], "X-Original-URI: missing", id="nothing told"),
        pytest.param([("X-Original-URI", "")], "X-Original-URI: missing", id="told by an empty header"),
        pytest.param(
            [("X-Original-URL", f"https://{SHOP}/"), ("X-Original-URI", "/free"), ("Host", SHOP)],
            "two ways",
            id="two ways",
        ),
        pytest.param(
            [("X-Original-URI", "/free"), ("X-Forwarded-Uri", "/x"), ("Host", SHOP)],
            "two ways",
            id="forwarded too",
        ),
        pytest.param(
            [("X-Original-URI", "/a"), ("X-Original-URI", "/b"), ("Host", SHOP)],
            "more than one",
            id="path twice",
        ),
        pytest.param(
            [
                ("X-Original-URI", "/a"),
                ("X-Original-Method", "GET"),
                ("X-Original-Method", "POST"),
                ("Host", SHOP),
            ],
            "X-Original-Method: more than one",
            id="method twice",
        ),
        pytest.param(
            [("X-Forwarded-Uri", "/a"), ("X-Forwarded-Host", SHOP), ("X-Forwarded-Host", "x")],
            "more than one",
            id="host twice",
        ),
        pytest.param(
            [("X-Forwarded-Uri", "/a"), ("X-Forwarded-Host", f"{SHOP}, x")], "host: ", id="two hosts in one"
        ),
        pytest.param([("X-Forwarded-Uri", "/a")], "X-Forwarded-Host: missing", id="no host"),
        pytest.param([("X-Original-URI", "/a")], "host: missing", id="nginx without host"),
        pytest.param([("X-Original-URL", f"https://me@{SHOP}/")], "host: ", id="user in the address"),
        pytest.param([("X-Original-URL", f"https://{SHOP}")], "X-Original-URL: malformed", id="no path"),
        pytest.param([("X-Original-URL", "ftp://x/")], "X-Original-URL: malformed", id="scheme"),
        pytest.param([("X-Original-URL", f"https://{SHOP}/a#b")], "not a path", id="fragment"),
        pytest.param([("X-Original-URI", "/a b"), ("Host", SHOP)], "not a path", id="blank"),
        pytest.param([("X-Original-URI", "/\x7f"), ("Host", SHOP)], "not a path", id="control"),
        pytest.param([("X-Original-URI", "/é"), ("Host", SHOP)], "not a path", id="not ASCII"),
        pytest.param([("X-Original-URI", "https://x/"), ("Host", SHOP)], "not a path", id="absolute"),
        pytest.param([("X-Original-URI", "*"), ("Host", SHOP)], "not a path", id="asterisk"),
        pytest.param([("X-Original-URI", "/" + "a" * 9000), ("Host", SHOP)], "not a path", id="too long"),
        pytest.param(
            [("X-Original-URI", "/a"), ("Host", SHOP), ("X-Original-Method", "GE T")], "method", id="method"
        ),
    ],
)
def test_what_is_told_badly_is_refused(lines: Lines, message: str) -> None:
    with pytest.raises(UnreadableRequest, match=message):
        read_auth(CIMultiDict(lines), {})


def test_a_refusal_names_headers_and_never_their_values() -> None:
    with pytest.raises(UnreadableRequest) as caught:
        read_auth(CIMultiDict([("X-Original-URL", "https://secret@x/")]), {})
    assert "secret" not in str(caught.value)


def test_the_configured_host_stands_for_the_one_that_is_told() -> None:
    lines = CIMultiDict([("X-Original-URL", "https://forged.example/cactus")])
    assert read_auth(lines, {"host": SHOP}).hosts == (SHOP,)
    assert read_forwarded(CIMultiDict([("X-Forwarded-Uri", "/a")]), {"host": SHOP}).hosts == (SHOP,)


def test_a_path_behind_the_prefix_is_the_buyers() -> None:
    told = read_prefixed("DELETE", SHOP, "/gate/forward//cactus/../x?host=forged.example")
    assert told == OriginalRequest("DELETE", (SHOP,), "//cactus/../x?host=forged.example")
    assert told.path == "//cactus/../x"
