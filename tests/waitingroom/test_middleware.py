"""The gate inside a shop: ASGI, WSGI and aiohttp decide alike, offline, and let nothing through that they cannot verify."""

import asyncio
import json
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from tests.waitingroom.gates import PAGE, ROOM_URL, admission, cookies
from tests.waitingroom.samples import KEYRING, device, onsale
from tests.waitingroom.shops import Ask, ask_asgi, ask_wsgi, every
from waitingroom.keyring import Keyring
from waitingroom.middleware import AsgiGate, FetchedKeys, OfflineGate, StaticKeys
from waitingroom.middleware.asgi import Message, Receive, Scope, Send
from waitingroom.passes import public_keys

SHOP = "shop.example.org"
CACTUS = onsale(
    "cactus",
    protect=[{"host": SHOP, "path": "/cactus"}],
    bypass=[{"path": "/cactus/static"}, {"path": "/cactus/hook", "methods": ["POST"]}],
)
KEYS = StaticKeys(public_keys(KEYRING).as_dict(private=False))
STRANGER = Keyring({"1": b"p" * 32}, {"1": OKPKey.generate_key("Ed25519", private=True)}, {})
NEWER = Keyring({"1": b"p" * 32}, {"2": OKPKey.generate_key("Ed25519", private=True)}, {})


SPELLINGS = [
    "/x/%2e%2e/cactus",
    "//cactus",
    "/%63actus",
    "/x/..%2fcactus",
    "/cactus%2fseats",
    "/x/..;/cactus",
]


def gate(keys: Any = KEYS) -> OfflineGate:
    return OfflineGate([CACTUS], keys, room_url=ROOM_URL)


def wanting(**more: str) -> dict[str, str]:
    return {"Host": SHOP} | {name.replace("_", "-"): value for name, value in more.items()}


@every
def test_an_admitted_buyer_reaches_the_shop_with_the_session(ask: Ask) -> None:
    got = ask(gate(), "GET", "/cactus/seats?row=1", wanting(Cookie=cookies(), X_Tidegate_Session="forged"))
    assert got.status == 200
    assert got.shop == {"x-tidegate-session": "s-1", "x-tidegate-onsale": "cactus", "pass": "s-1"}


@every
@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        pytest.param("10.0.0.5:8000", "/cactus/seats", 429, id="a host that nobody has named"),
        pytest.param("10.0.0.5:8000", "/healthz", 200, id="what no onsale guards anywhere"),
        pytest.param("10.0.0.5:8000", "/cactus/static/x", 200, id="a bypass"),
        pytest.param("www.example.org", "/cactus/seats", 200, id="a free host"),
    ],
)
def test_another_host_leads_not_around_the_line(ask: Ask, host: str, path: str, status: int) -> None:
    here = OfflineGate([CACTUS], KEYS, room_url=ROOM_URL, free_hosts=["www.example.org"])
    assert ask(here, "GET", path, {"Host": host, "Accept": "application/json"}).status == status


@every
def test_a_page_is_redirected_to_the_line(ask: Ask) -> None:
    got = ask(gate(), "GET", "/cactus/seats?row=1", wanting(Accept=PAGE))
    assert (got.status, got.shop) == (303, None)
    assert got.headers["location"] == f"{ROOM_URL}/cactus/?return=/cactus/seats%3Frow%3D1"


@every
def test_an_app_is_told_when_to_come_again(ask: Ask) -> None:
    got = ask(gate(), "POST", "/cactus/order", wanting(Accept="application/json"))
    assert (got.status, got.shop) == (429, None)
    assert (got.headers["retry-after"], got.headers["content-type"]) == ("5", "application/problem+json")


@every
@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(cookies(keyring=STRANGER), id="a stranger's key"),
        pytest.param(cookies(of_device=device(2)), id="another device"),
        pytest.param(cookies(admission(age_s=300, left_s=-100)), id="expired"),
        pytest.param(
            cookies(admission(sale="dahlia")).replace("pass_dahlia", "pass_cactus"), id="another onsale"
        ),
        pytest.param("tidegate_pass_cactus=e30.e30.e30; __Host-tidegate_device=x", id="garbage"),
        pytest.param(
            f"tidegate_pass_cactus={'x' * 3000}; __Host-tidegate_device={device(1)}", id="long garbage"
        ),
        pytest.param(cookies().partition("; ")[2].partition("; ")[2], id="no device"),
        pytest.param(cookies(secure=False), id="a device that a neighbour can set"),
    ],
)
def test_a_pass_that_does_not_hold_leads_to_the_line(ask: Ask, cookie: str) -> None:
    got = ask(gate(), "GET", "/cactus", wanting(Cookie=cookie))
    assert (got.status, got.shop) == (429, None)


@every
@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/about"), ("GET", "/cactus/static/logo.png"), ("POST", "/cactus/hook")]
)
def test_what_is_not_guarded_is_open_and_carries_no_session(ask: Ask, method: str, target: str) -> None:
    forged = {"X-Tidegate-Session": "forged", "X-Tidegate-Onsale": "cactus", "X-Tidegate-Other": "x"}
    forged |= {name.replace("-", "_"): value for name, value in forged.items()}
    got = ask(gate(), method, target, wanting() | forged)
    assert (got.status, got.shop) == (200, {"pass": ""})


@every
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"])
def test_a_header_that_names_another_method_closes_a_bypass_for_one(ask: Ask, name: str) -> None:
    assert ask(gate(), "POST", "/cactus/hook", wanting() | {name: "DELETE"}).shop is None
    assert ask(gate(), "GET", "/cactus/static/logo.png", wanting() | {name: "DELETE"}).status == 200


@pytest.mark.parametrize("ask", [ask_asgi, ask_wsgi], ids=["asgi", "wsgi"])
def test_so_does_one_with_underscores_where_shops_take_them_for_hyphens(ask: Ask) -> None:
    told = wanting() | {"X_HTTP_Method_Override": "DELETE"}
    assert ask(gate(), "POST", "/cactus/hook", told).shop is None


@every
@pytest.mark.parametrize(
    "target",
    SPELLINGS,
)
def test_no_spelling_of_a_path_leads_around(ask: Ask, target: str) -> None:
    assert ask(gate(), "GET", target, wanting()).shop is None


@every
def test_what_cannot_be_judged_is_refused(ask: Ask) -> None:
    assert ask(gate(), "GET", "/x%00", wanting()).status == 400
    assert ask(gate(), "GET", "/x", {"Host": "a@b"}).status == 400


@every
def test_without_any_key_nobody_gets_in_and_nothing_fails(ask: Ask) -> None:
    def away(url: str) -> bytes:
        raise OSError("unreachable")

    keys = FetchedKeys("https://room.example.org/.well-known/jwks.json", fetch=away)
    assert ask(gate(keys), "GET", "/cactus", wanting(Cookie=cookies())).status == 429
    assert ask(gate(keys), "GET", "/about", wanting()).status == 200


@every
def test_a_pass_by_a_newer_key_makes_the_set_be_fetched(ask: Ask) -> None:
    documents = [public_keys(KEYRING).as_dict(private=False), public_keys(NEWER).as_dict(private=False)]
    fetched = iter(documents)
    keys = FetchedKeys(
        "https://room.example.org/x", retry_s=0.0, fetch=lambda url: json.dumps(next(fetched)).encode()
    )
    checked = gate(keys)
    assert ask(checked, "GET", "/cactus", wanting(Cookie=cookies())).status == 200
    assert ask(checked, "GET", "/cactus", wanting(Cookie=cookies(keyring=NEWER))).status == 200


def test_an_asgi_handshake_without_a_pass_is_closed_before_it_is_accepted() -> None:
    reached: list[str] = []
    sent: list[Message] = []

    async def shop(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = AsgiGate(shop, gate())
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/cactus/live",
        "headers": [(b"host", SHOP.encode())],
    }
    asyncio.run(app(scope, receive, send))
    assert (reached, [message["type"] for message in sent]) == ([], ["websocket.close"])
    scope["headers"].append((b"cookie", cookies().encode()))
    asyncio.run(app(scope, receive, send))
    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert reached == ["websocket", "lifespan"]
    with pytest.raises(ValueError, match="no scope of type"):
        asyncio.run(app({"type": "tunnel"}, receive, send))


def test_cookies_that_come_one_by_one_are_read_together() -> None:
    seen: list[Any] = []

    async def shop(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["tidegate.pass"].session)

    async def nothing(*_: Any) -> Any:
        return None

    crumbs = [(b"cookie", crumb.encode()) for crumb in cookies().split("; ")]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/cactus",
        "headers": [(b"host", SHOP.encode()), *crumbs],
    }
    asyncio.run(AsgiGate(shop, gate())(scope, nothing, nothing))
    assert seen == ["s-1"]
