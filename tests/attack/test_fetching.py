"""What the room fetches comes from the address in the document: it is led nowhere else, and takes no more than a key set."""

import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.waitingroom.shopkeys import ISSUER, Shop, presale
from waitingroom.errors import KeysUnavailable
from waitingroom.invitations import open_invitations


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_keys_is_not_followed(status: int) -> None:
    shop, reached = Shop(), []

    async def lead(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/inside"})

    async def inside(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.json_response(shop.published())

    app = web.Application()
    app.add_routes([web.get("/keys.json", lead), web.get("/inside", inside)])
    async with TestServer(app) as server:
        rules = {"jwks": str(server.make_url("/keys.json")), "issuer": ISSUER}
        checking = open_invitations(presale(entryToken=rules), Path())
        assert checking is not None
        with pytest.raises(KeysUnavailable):
            await checking.check(shop.invite("ada"))
    assert reached == []


async def test_an_endless_key_set_is_left_after_a_bounded_part() -> None:
    shop, sent = Shop(), 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(json.dumps(shop.published()).encode())
        while sent < 50_000_000:
            sent += 65_536
            await response.write(b" " * 65_536)
        return response

    app = web.Application()
    app.add_routes([web.get("/keys.json", endless)])
    async with TestServer(app) as server:
        rules = {"jwks": str(server.make_url("/keys.json")), "issuer": ISSUER}
        checking = open_invitations(presale(entryToken=rules), Path())
        assert checking is not None
        with pytest.raises(KeysUnavailable):
            await checking.check(shop.invite("ada"))
    assert sent < 50_000_000
