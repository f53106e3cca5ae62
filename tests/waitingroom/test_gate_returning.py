"""No spelling of `return` sends a buyer anywhere but to the shop."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waitingroom.gate.returning import return_address

SHOP = "https://tickets.example.org:8443/cactus"


@pytest.mark.parametrize(
    ("shop", "wanted", "expected"),
    [
        (SHOP, "/cactus/seats?row=1&next=a", "https://tickets.example.org:8443/cactus/seats?row=1&next=a"),
        (SHOP, "/cactus", SHOP),
        (SHOP, "/cactus/", SHOP + "/"),
        (SHOP, "/cactus/caf%C3%A9", SHOP + "/caf%C3%A9"),
        (SHOP, SHOP + "/seats", SHOP + "/seats"),
        ("https://shop.example.org", "/any/where", "https://shop.example.org/any/where"),
        ("https://shop.example.org/?event=7", "/x", "https://shop.example.org/x"),
        ("http://[::1]:8080/a/", "/a/b", "http://[::1]:8080/a/b"),
    ],
)
def test_a_path_under_the_shops_is_returned_to(shop: str, wanted: str, expected: str) -> None:
    assert return_address(shop, wanted) == expected


HOSTILE = [
    None,
    "",
    "cactus",
    "//evil.example/cactus",
    "/cactus//evil.example",
    "/\\evil.example",
    "/cactus/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/cactus",
    "https://tickets.example.org:8443@evil.example/cactus",
    "https://tickets.example.org:8443.evil.example/cactus",
    "https://tickets.example.org/cactus",
    "http://tickets.example.org:8443/cactus/x",
    "HTTPS://tickets.example.org:8443/cactus/x",
    "javascript:alert(1)",
    "/cactus/../admin",
    "/cactus/%2e%2e/admin",
    "/cactus/..;/admin",
    "/cactus/..%3b/admin",
    "/cactus/%2f%2fevil.example",
    "/cactus/%5cevil.example",
    "/cactus/%252e%252e/admin",
    "/cactus@evil.example",
    "/cactus/%40evil.example",
    "/cactus\r\nSet-Cookie: a=b",
    "/cactus/%0d%0aSet-Cookie:a=b",
    "/cactus/x?a=%0d%0aSet-Cookie:a=b",
    "/cactus/\x00",
    "/cactus/\t/x",
    "/cactus x",
    "/cactus/é",
    "/cactus/#@evil.example",
    "/cactus/x?a=\\evil",
    "/cactusfest",
    "/admin",
    "/cactus/%zz",
    "/cactus/" + "a" * 2000,
]


@pytest.mark.parametrize("wanted", HOSTILE)
def test_anything_else_leads_to_the_shop_itself(wanted: str | None) -> None:
    assert return_address(SHOP, wanted) == SHOP


@pytest.mark.parametrize(
    "wanted",
    [
        "/.tidegate",
        "/.tidegate/",
        "/.tidegate/enter?code=cactus.x",
        "/.TideGate/enter",
        "https://shop.example.org/.tidegate/enter?code=cactus.x",
        "/%2etidegate/enter",
        "/x/../.tidegate/enter",
    ],
)
def test_the_way_in_is_no_place_to_come_back_to(wanted: str) -> None:
    assert return_address("https://shop.example.org", wanted) == "https://shop.example.org"


SHOPS = st.sampled_from(
    [SHOP, "http://shop.example.org", "https://a.example/x/y/", "https://a.example/?q=1", "http://[::1]:80/s"]
)
PIECES = st.sampled_from([*"/\\@.:?#; \t%\u00e9\r\n"]) | st.sampled_from(
    [
        "//",
        "..",
        "%2e",
        "%2f",
        "%5C",
        "%00",
        "%0d%0a",
        "cactus",
        "x",
        "s",
        "y",
        "&a=b",
        "evil.example",
        ".tidegate",
        "https:",
        SHOP[:-7],
    ]
)


@given(SHOPS, st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=9).map("".join)))
@example(SHOP, "/cactus/x")
def test_the_origin_is_the_shops_and_the_path_lies_under_its(shop: str, wanted: str) -> None:
    result = return_address(shop, wanted)
    if result == shop:
        return
    home, gone = urlsplit(shop), urlsplit(result)
    assert (gone.scheme, gone.netloc, gone.hostname, gone.port) == (
        home.scheme,
        home.netloc,
        home.hostname,
        home.port,
    )
    root = home.path.rstrip("/")
    assert gone.path == root or gone.path.startswith(root + "/")
    assert result.isascii()
    assert result.isprintable()
    assert " " not in result
    assert "\\" not in result
    decoded = unquote(gone.path)
    assert "//" not in decoded
    assert ".." not in decoded.split("/")
    assert not gone.fragment
    assert not decoded.lower().startswith("/.tidegate/")
