"""Where the shop's keys come from: fetched and kept, or a file, and what happens while they cannot be had."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from rulebook import Onsale
from tests.waitingroom.living import living
from tests.waitingroom.shopkeys import ISSUER, Shop, presale
from waitingroom import invitations
from waitingroom.errors import EntryRefused, KeysUnavailable
from waitingroom.invitations import Invitations, open_invitations


class Publisher:
    """The shop's address of keys: answers what a test wants, and counts how often it was asked."""

    def __init__(self) -> None:
        self.document: Any = {"keys": []}
        self.status = 200
        self.asked = 0
        self.server: TestServer

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.status == 302:
            raise web.HTTPFound("/elsewhere")
        text = self.document if isinstance(self.document, str) else json.dumps(self.document)
        return web.Response(text=text, status=self.status, content_type="application/json")

    @property
    def sale(self) -> Onsale:
        rules = {"jwks": str(self.server.make_url("/keys.json")), "issuer": ISSUER}
        return presale(entryToken=rules)

    def invitations(self) -> Invitations:
        found = open_invitations(self.sale, Path())
        assert found is not None
        return found


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    publisher = Publisher()
    app = web.Application()
    app.router.add_get("/{path:.*}", publisher.answer)
    async with TestServer(app) as publisher.server:
        yield publisher


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys be fetched as often as they are lacking."""
    monkeypatch.setattr(invitations, "RETRY_S", 0.0)


async def check_until_refused(checking: Invitations, token: str) -> None:
    async with asyncio.timeout(30):
        while await checking.check(token):
            await asyncio.sleep(0.01)


async def test_keys_are_fetched_once_and_kept(publisher: Publisher) -> None:
    shop = Shop()
    publisher.document = shop.published()
    checking = publisher.invitations()
    for number in range(5):
        assert (await checking.check(shop.invite(f"m{number}", "ES256"))).subject == f"m{number}"
    assert publisher.asked == 1


async def test_strangers_cannot_make_us_fetch_again_and_again(publisher: Publisher) -> None:
    shop = Shop()
    publisher.document = shop.published()
    checking = publisher.invitations()
    for number in range(20):
        with pytest.raises(EntryRefused, match="unknown_key"):
            await checking.check(shop.invite("m", kid=f"k{number}"))
    assert publisher.asked == 1


@pytest.mark.usefixtures("eager")
async def test_a_new_key_is_fetched_when_a_token_names_it(publisher: Publisher) -> None:
    shop, token = Shop(), "later"
    publisher.document = shop.published("ES256")
    checking = publisher.invitations()
    assert (await checking.check(shop.invite("m", "ES256"))).subject == "m"
    publisher.document = shop.published()
    assert (await checking.check(shop.invite(token))).subject == token
    assert publisher.asked == 2


@pytest.mark.usefixtures("eager")
async def test_a_key_that_was_taken_back_counts_no_more(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()
    publisher.document = shop.published()
    checking = publisher.invitations()
    await checking.check(shop.invite("m"))
    publisher.document = shop.published("ES256")
    monkeypatch.setattr(invitations, "MAX_AGE_S", 0.0)
    # Checked by the old set, beside which the new one is fetched.
    assert (await checking.check(shop.invite("m"))).subject == "m"
    with pytest.raises(EntryRefused, match="unknown_key"):
        await check_until_refused(checking, shop.invite("m"))
    assert (await checking.check(shop.invite("m", "ES256"))).subject == "m"


@pytest.mark.parametrize(
    ("status", "document"),
    [
        pytest.param(500, {}, id="an error"),
        pytest.param(302, {}, id="sent elsewhere"),
        pytest.param(200, "<html>", id="a page"),
        pytest.param(200, {"keys": []}, id="no keys"),
        pytest.param(200, "[" * 100_000, id="an endless document"),
        pytest.param(200, "[" * 60_000, id="a deep document"),
    ],
)
@pytest.mark.usefixtures("eager")
async def test_before_there_are_keys_nobody_gets_in_and_after_they_stay(
    publisher: Publisher, status: int, document: Any
) -> None:
    shop = Shop()
    publisher.status, publisher.document = status, document
    checking = publisher.invitations()
    with pytest.raises(KeysUnavailable):
        await checking.check(shop.invite("m"))
    publisher.status, publisher.document = 200, shop.published()
    assert (await checking.check(shop.invite("m"))).subject == "m"
    publisher.status, publisher.document = status, document
    with pytest.raises(EntryRefused, match="unknown_key"):
        await checking.check(shop.invite("m", kid="new"))
    assert (await checking.check(shop.invite("m"))).subject == "m"


async def test_a_buyer_is_asked_to_try_again_while_there_are_no_keys(
    publisher: Publisher, tmp_path: Path, store_url: str, client: Redis
) -> None:
    publisher.status = 500
    async with living(tmp_path, store_url, publisher.sale) as here, here.buyer() as buyer:
        async with buyer.post(f"{here.room}/cactus/join", json={"token": Shop().invite("m")}) as answer:
            assert (answer.status, answer.content_type) == (503, "application/problem+json")
            assert int(answer.headers["Retry-After"]) >= 1
        async with buyer.get(f"{here.room}/cactus/state") as answer:
            assert (await answer.json())["tail"] == 0


async def test_a_file_is_read_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Shop(), Shop()
    first.write(tmp_path)
    checking = open_invitations(presale(), tmp_path / "onsales")
    assert checking is not None
    monkeypatch.setattr(invitations, "LOOK_EVERY_S", 0.0)
    assert (await checking.check(first.invite("m"))).subject == "m"
    second.write(tmp_path)
    os.utime(tmp_path / "onsales" / "shop.jwks.json", (1, 1))  # another time, however soon it came
    assert (await checking.check(second.invite("m"))).subject == "m"
    with pytest.raises(EntryRefused, match="signature"):
        await checking.check(first.invite("m"))
    # A broken file changes nothing.
    (tmp_path / "onsales" / "shop.jwks.json").write_text("{")
    assert (await checking.check(second.invite("m"))).subject == "m"
    (tmp_path / "onsales" / "shop.jwks.json").unlink()
    assert (await checking.check(second.invite("m"))).subject == "m"


async def test_an_open_onsale_has_no_invitations() -> None:
    sale = presale()
    spec = sale.spec.model_copy(update={"entry": "open", "entry_token": None})
    assert open_invitations(sale.model_copy(update={"spec": spec}), Path()) is None
