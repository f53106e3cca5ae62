"""The gate as other proxies ask it: 200, 401 or 403 for nginx, 200, 303, 429 or 403 for those who hand the answer on."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from rulebook.addresses import LOOPBACK
from tests.waitingroom.gates import PAGE, ROOM_URL, admission, checkpoint, cookies
from tests.waitingroom.samples import device, onsale
from waitingroom.gate.auth import AuthGate
from waitingroom.gate.guard import Guard
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.trust import TrustedProxies

SHOP = "shop.example.org"
CACTUS = onsale(
    "cactus",
    protect=[{"host": SHOP, "path": "/cactus"}],
    bypass=[{"path": "/cactus/static"}, {"path": "/cactus/hook", "methods": ["POST"]}],
)
Client = TestClient[web.Request, web.Application]


def asking(target: str, **more: str) -> dict[str, str]:
    """Return the headers with which ingress-nginx asks."""
    names = {name.replace("_", "-"): value for name, value in more.items()}
    return {"X-Original-URL": f"https://{SHOP}{target}", "X-Original-Method": "GET", **names}


def forwarded(target: str, **more: str) -> dict[str, str]:
    """Return the headers with which Traefik asks."""
    told = {"Uri": target, "Host": SHOP, "Method": "GET", "Proto": "https", "For": "192.0.2.1"}
    return {f"X-Forwarded-{name}": value for name, value in told.items()} | more


@pytest.fixture
def sessions() -> Sessions:
    return Sessions({})


def application(sessions: Sessions, trusted: tuple[str, ...] = LOOPBACK) -> web.Application:
    gate = AuthGate(
        Guard([CACTUS]), checkpoint(sessions), TrustedProxies(trusted), room_url=ROOM_URL, secure_cookies=True
    )
    app = web.Application()
    app.add_routes(gate.routes())
    return app


@pytest.fixture
async def gate(sessions: Sessions) -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(sessions))) as client:
        yield client


@pytest.fixture
async def distrustful(sessions: Sessions) -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(sessions, ("10.0.0.0/8",)))) as client:
        yield client


async def get(gate: Client, path: str, headers: Mapping[str, str]) -> tuple[int, CIMultiDict[str], str]:
    async with gate.get(path, headers=headers, allow_redirects=False) as answer:
        return answer.status, CIMultiDict(answer.headers), await answer.text()


async def test_a_buyer_without_a_pass_gets_401_with_the_way_to_the_line(gate: Client) -> None:
    status, headers, _ = await get(gate, "/gate/auth", asking("/cactus/seats?row=1"))
    assert status == 401
    assert headers["X-Tidegate-Room"] == f"{ROOM_URL}/cactus/?return=/cactus/seats%3Frow%3D1"
    assert headers["WWW-Authenticate"] == "Tidegate"
    assert headers["Cache-Control"] == "no-store"


async def test_an_admitted_buyer_gets_200_with_the_session(gate: Client) -> None:
    status, headers, _ = await get(gate, "/gate/auth", asking("/cactus/seats", Cookie=cookies()))
    assert (status, headers["X-Tidegate-Session"], headers["X-Tidegate-Onsale"]) == (200, "s-1", "cactus")
    assert "Set-Cookie" not in headers


async def test_a_pass_that_grows_old_is_renewed(gate: Client) -> None:
    status, headers, _ = await get(
        gate, "/gate/auth", asking("/cactus", Cookie=cookies(admission(age_s=30, left_s=30)))
    )
    assert status == 200
    assert headers["Set-Cookie"].startswith("tidegate_pass_cactus=ey")
    assert headers["Set-Cookie"].endswith("; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize("target", ["/", "/other", "/cactus/static/logo.png"])
async def test_what_is_not_guarded_gets_200_without_a_session(gate: Client, target: str) -> None:
    status, headers, _ = await get(gate, "/gate/auth", asking(target))
    assert status == 200
    assert "X-Tidegate-Session" not in headers


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="none"),
        pytest.param("tidegate_pass_cactus=x.y.z", id="garbage"),
        pytest.param("__Host-tidegate_device=\u00e9; tidegate_pass_cactus=\u00e9", id="odd letters"),
        pytest.param(cookies(of_device=device(2)), id="another device"),
        pytest.param(cookies(secure=False), id="a device that a neighbour can set"),
        pytest.param(cookies(admission(age_s=200, left_s=-100)), id="expired"),
        pytest.param(cookies(admission(sale="dahlia")), id="another onsale"),
    ],
)
async def test_a_pass_that_does_not_hold_gets_401(gate: Client, cookie: str) -> None:
    assert (await get(gate, "/gate/auth", asking("/cactus", Cookie=cookie)))[0] == 401


async def test_a_session_that_is_over_gets_401(gate: Client, sessions: Sessions) -> None:
    sessions.end("cactus", "s-1")
    assert (await get(gate, "/gate/auth", asking("/cactus", Cookie=cookies())))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing told"),
        pytest.param({"X-Original-URL": "nonsense"}, id="malformed"),
        pytest.param({**asking("/other"), "X-Original-URI": "/other"}, id="told twice"),
        pytest.param(asking("/%00"), id="unclear path"),
        pytest.param({**asking("/%00"), "Cookie": cookies()}, id="unclear path, with a pass"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PROPFIND"])
async def test_whatever_cannot_be_judged_gets_403_and_is_not_sent_to_the_line(
    gate: Client, method: str, headers: dict[str, str]
) -> None:
    async with gate.request(method, "/gate/auth", headers=headers) as answer:
        assert answer.status == 403
        assert "X-Tidegate-Room" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_defect_gets_403_and_is_logged(gate: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Guard, "judge_all", broken)
    assert (await get(gate, "/gate/auth", asking("/cactus")))[0] == 403


async def test_a_bypass_for_one_method_needs_that_method_told(gate: Client) -> None:
    told = asking("/cactus/hook")
    assert (await get(gate, "/gate/auth", told | {"X-Original-Method": "POST"}))[0] == 200
    assert (await get(gate, "/gate/auth", told))[0] == 401
    del told["X-Original-Method"]
    assert (await get(gate, "/gate/auth", told))[0] == 401


async def test_a_header_that_names_another_method_closes_a_bypass_for_one(gate: Client) -> None:
    other = {"x-http-method-override": "DELETE"}
    told = asking("/cactus/hook") | {"X-Original-Method": "POST"}
    assert (await get(gate, "/gate/auth", told | other))[0] == 401
    assert (await get(gate, "/gate/auth", asking("/cactus/static/x") | other))[0] == 200
    told = forwarded("/cactus/hook") | {"X-Forwarded-Method": "POST"}
    assert (await get(gate, "/gate/forward", told))[0] == 200
    assert (await get(gate, "/gate/forward", told | other))[0] == 429


@pytest.mark.parametrize(
    ("path", "status"), [("/gate/auth", 403), ("/gate/forward", 403), ("/gate/forward/other", 403)]
)
async def test_who_is_no_trusted_proxy_is_refused_and_logged_without_secrets(
    distrustful: Client, path: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = cookies()
    told = asking("/other", Cookie=secret) | forwarded("/other")
    for _ in range(3):
        answered, headers, _ = await get(distrustful, path, told)
        assert answered == status
        assert "X-Tidegate-Session" not in headers
        assert "X-Tidegate-Room" not in headers
    logged = capsys.readouterr().out
    assert logged.count("not a trusted proxy") == 1
    assert secret not in logged
    assert "tidegate_pass" not in logged


async def test_a_page_behind_forward_is_redirected_to_the_line(gate: Client) -> None:
    status, headers, _ = await get(gate, "/gate/forward", forwarded("/cactus/seats", Accept=PAGE))
    assert (status, headers["Location"]) == (303, f"{ROOM_URL}/cactus/?return=/cactus/seats")


async def test_an_app_behind_forward_is_told_when_to_come_again(gate: Client) -> None:
    status, headers, body = await get(
        gate, "/gate/forward", forwarded("/cactus/seats", Accept="application/json")
    )
    assert (status, headers["Retry-After"]) == (429, "5")
    assert headers["Content-Type"] == "application/problem+json"
    assert f'"location": "{ROOM_URL}/cactus/?return=/cactus/seats"' in body


async def test_an_admitted_buyer_behind_forward_gets_200(gate: Client) -> None:
    status, headers, _ = await get(gate, "/gate/forward", forwarded("/cactus", Cookie=cookies()))
    assert (status, headers["X-Tidegate-Session"], headers["X-Tidegate-Onsale"]) == (200, "s-1", "cactus")


async def test_envoy_asks_with_the_buyers_path_behind_the_prefix(gate: Client) -> None:
    host = {"Host": SHOP, "Accept": PAGE}
    status, headers, _ = await get(gate, "/gate/forward/cactus/seats", host)
    assert (status, headers["Location"]) == (303, f"{ROOM_URL}/cactus/?return=/cactus/seats")
    assert (await get(gate, "/gate/forward/cactus/seats", {**host, "Cookie": cookies()}))[0] == 200
    status, headers, _ = await get(gate, "/gate/forward/other?host=elsewhere.example", host)
    assert status == 200
    assert headers["x-envoy-auth-headers-to-remove"] == "x-tidegate-session, x-tidegate-onsale"
    assert (await get(gate, "/gate/forward/cactus?host=elsewhere.example", host))[0] == 303


async def test_what_forward_cannot_judge_is_forbidden_and_never_a_5xx(gate: Client) -> None:
    for headers in ({}, {"X-Forwarded-Uri": "/x"}, forwarded("nonsense"), forwarded("/%00")):
        status, answered, _ = await get(gate, "/gate/forward", headers)
        assert status == 403
        assert answered["Content-Type"] == "application/problem+json"


async def test_a_posted_form_leads_to_the_line_without_a_way_back(gate: Client) -> None:
    told = forwarded("/cactus/order", Accept=PAGE) | {"X-Forwarded-Method": "POST"}
    assert (await get(gate, "/gate/forward", told))[1]["Location"] == f"{ROOM_URL}/cactus/"


async def test_before_the_prequeue_the_shop_is_open_unless_denied(sessions: Sessions) -> None:
    opens = (datetime.now(UTC) + timedelta(hours=8)).isoformat()
    for outside, expected in (("allow", 200), ("deny", 401)):
        sale = onsale("cactus", prequeue=opens, opens=opens, outside=outside)
        gate = AuthGate(
            Guard([sale]), checkpoint(sessions), TrustedProxies(), room_url=ROOM_URL, secure_cookies=True
        )
        app = web.Application()
        app.add_routes(gate.routes())
        async with TestClient(TestServer(app)) as client:
            assert (await get(client, "/gate/auth", asking("/x")))[0] == expected


async def test_requests_that_come_together_share_one_renewed_pass(gate: Client) -> None:
    told = asking("/cactus", Cookie=cookies(admission(age_s=30, left_s=30)))
    renewed = {(await get(gate, "/gate/auth", told))[1]["Set-Cookie"].partition(";")[0] for _ in range(5)}
    assert len(renewed) == 1
