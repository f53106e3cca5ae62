"""What is one buyer's is kept by no shared cache; what is for all says so itself."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.waitingroom.backoffice import token_file
from tests.waitingroom.gates import admission, cookies, proxied, shop_of
from tests.waitingroom.living import HTML, JSON, living
from tests.waitingroom.samples import onsale
from waitingroom.gate.privacy import is_for_shared_caches, private_form

FOR_ALL = {"/cactus/state", "/tulip/draw", "/.well-known/jwks.json", "/openapi.json"}
MOVING = {
    *("as_of", "stale", "tail", "released", "waiting", "late", "no_shows", "rate_per_s", "rate_reason"),
    *("arrivals_per_s", "released_per_s", "eta_s", "eta_reason"),
}
"""What a state says of the line and of the moment: between two questions it may change."""


@pytest.mark.parametrize(
    ("told", "private"),
    [
        ("", "private"),
        ("public, max-age=3600", "private, max-age=3600"),
        ("Public,S-MaxAge=10 , max-age=5", "private, max-age=5"),
        ("no-store", "private, no-store"),
        ("private, max-age=5, immutable", "private, max-age=5, immutable"),
        ('max-age=5, no-cache="Set-Cookie, X"', "private, no-store"),
        (",, ,", "private"),
    ],
)
def test_an_answer_with_a_pass_may_stay_in_the_buyers_own_browser_alone(told: str, private: str) -> None:
    assert private_form(told) == private


@pytest.mark.parametrize("name", ["Surrogate-Control", "CDN-Cache-Control", "Vendor-CDN-Cache-Control"])
def test_headers_for_shared_caches_are_known(name: str) -> None:
    assert is_for_shared_caches(name)
    assert not is_for_shared_caches("Cache-Control")


@pytest.mark.parametrize("age_s", [50, 0], ids=["a renewed pass", "no new pass"])
async def test_a_cacheable_answer_of_the_shop_with_a_renewed_pass_becomes_private(age_s: int) -> None:
    async def cacheable(request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=60, s-maxage=600", "CDN-Cache-Control": "max-age=600"}
        return web.Response(text="seats", headers=headers)

    header = {"Cookie": cookies(admission(age_s=age_s, left_s=60 - age_s))}
    async with (
        proxied(shop_of(cacheable)) as gate,
        aiohttp.ClientSession(headers=header) as buyer,
        buyer.get(f"{gate}/seats") as answer,
    ):
        assert answer.status == 200
        assert ("Set-Cookie" in answer.headers) == bool(age_s)
        told = answer.headers["Cache-Control"]
        assert told == ("private, max-age=60" if age_s else "public, max-age=60, s-maxage=600")
        assert ("CDN-Cache-Control" in answer.headers) != bool(age_s)


async def test_no_answer_about_a_buyer_may_be_kept(tmp_path: Path, store_url: str, client: Redis) -> None:
    asked = [
        *[("GET", path) for path in ("", "?lang=nl", "?ended=1", "status", "enter", "nothing", "draw")],
        *[("POST", path) for path in ("join", "enter", "code", "move", "status")],
    ]
    async with living(tmp_path, store_url, onsale(admission={"rate": "0.01/s", "burst": 1})) as here:
        for accept in (HTML, JSON):
            async with here.buyer() as buyer:
                for method, path in [*asked, *asked]:  # as a stranger, then as one with a place
                    async with buyer.request(
                        method, f"{here.room}/cactus/{path}", headers=accept, allow_redirects=False
                    ) as answer:
                        control = answer.headers.get("Cache-Control", "")
                        if path == "draw" and answer.status == 200:
                            continue
                        assert control == "no-store", (method, path, answer.status, control)
                for path in ("/", "/seats", "/.tidegate/enter?code=x", "/.tidegate/x"):
                    async with buyer.get(here.gate + path, headers=accept, allow_redirects=False) as answer:
                        assert answer.headers["Cache-Control"] == "no-store", path


async def test_what_may_be_kept_is_the_same_for_everybody(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(admission={"rate": "0.001/s", "burst": 1})
    drawn = onsale("tulip", 3_600, order="draw", protect=[{"path": "/tulip"}])
    async with (
        living(tmp_path, store_url, sale, drawn, admin_tokens=token_file(tmp_path)) as here,
        here.buyer() as ann,
        here.buyer() as ben,
    ):
        answers: dict[str, list[dict[str, Any]]] = {path: [] for path in FOR_ALL}
        for buyer in (ann, ben):
            async with buyer.post(f"{here.room}/cactus/join") as joined:
                place = (await joined.json())["place"]
            own = {place, *(cookie.value for cookie in buyer.cookie_jar)}
            assert {cookie.key for cookie in buyer.cookie_jar} >= {"tidegate_device", "tidegate_place"}
            for path in FOR_ALL:
                async with buyer.get(here.room + path) as answer:
                    assert answer.status == 200, path
                    assert "Set-Cookie" not in answer.headers
                    assert answer.headers["Cache-Control"].startswith("public")
                    text = await answer.text()
                    assert not [secret for secret in own if secret in text], path
                    document = json.loads(text)
                    answers[path].append(
                        {name: value for name, value in document.items() if name not in MOVING}
                    )
    for to_ann, to_ben in answers.values():
        assert to_ann
        assert to_ann == to_ben
