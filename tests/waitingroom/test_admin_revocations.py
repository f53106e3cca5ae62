"""A session that is ended, by operators or the shop, is refused at every gate, and the feed tells of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis
from yarl import URL

from rulebook.admintokens import Role
from tests.standstill import within
from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale, settings
from waitingroom.store.client import OnsaleStore
from waitingroom.store.operations import OnsaleOperations

FAST = {"rate": "200/s", "burst": 50, "claimWithin": "30s"}
UNKNOWN = "AAAAAAAAAAAAAAAAAAAAAA"


async def admitted(buyer: aiohttp.ClientSession, here: Living) -> str:
    """Join and enter; return the session."""
    async with buyer.post(f"{here.room}/cactus/join") as answer:
        assert answer.status == 200
    async with asyncio.timeout(20):
        while True:
            async with buyer.post(f"{here.room}/cactus/enter") as answer:
                document = await answer.json()
            if answer.status == 200:
                return str(document["session"])
            await asyncio.sleep(0.02)


async def refused_within(buyer: aiohttp.ClientSession, gate: str, seconds: float) -> None:
    async def refused() -> bool:
        async with buyer.get(f"{gate}/seats") as answer:
            return answer.status == 429

    await within(seconds, refused)


@asynccontextmanager
async def two_processes(folder: Path, store_url: str, **changes: Any) -> AsyncIterator[tuple[Living, Living]]:
    """Two rooms with a gate each on one store and one set of keys; they share nothing else."""
    tokens = token_file(folder)
    async with (
        living(folder, store_url, onsale(admission=FAST), admin_tokens=tokens, **changes) as one,
        living(folder, store_url, onsale(admission=FAST), admin_tokens=tokens, **changes) as other,
    ):
        yield one, other


@pytest.mark.parametrize("verb", ["revoke", "complete", "abandon"])
async def test_an_ended_session_is_refused_at_every_gate_within_two_seconds(
    tmp_path: Path, store_url: str, client: Redis, verb: str
) -> None:
    async with two_processes(tmp_path, store_url) as (one, other), one.buyer() as buyer:
        session = await admitted(buyer, one)
        async with buyer.get(f"{other.gate}/seats") as answer:
            assert answer.status == 200
        status, ended = await Office(one, Role.SHOP).post(f"/sessions/{session}/{verb}", {"onsale": "cactus"})
        assert (status, ended["was_live"]) == (200, True)
        await asyncio.gather(refused_within(buyer, one.gate, 2), refused_within(buyer, other.gate, 2))
        assert await client.zcard("{cactus}:sessions") == 0
        async with buyer.post(f"{one.room}/cactus/enter") as answer:
            assert answer.status != 200


async def test_a_session_ended_by_the_shops_answer_is_refused_at_every_gate_within_two_seconds(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with two_processes(tmp_path, store_url) as (one, other), one.buyer() as buyer:
        session = await admitted(buyer, one)
        kept = {cookie.key: cookie.value for cookie in buyer.cookie_jar}
        async with listening(other) as listener:
            async with buyer.get(f"{one.gate}/end") as answer:
                assert answer.status == 200
                token = answer.cookies["tidegate_pass_cactus"]
                assert (token.value, token["max-age"]) == ("", "0")
            assert (await listener.next())["data"] == {
                "onsale": "cactus",
                "session": session,
                "kind": "complete",
            }
        assert await client.zcard("{cactus}:sessions") == 0
        buyer.cookie_jar.update_cookies(kept, URL(one.room))  # a browser which keeps the pass all the same
        await asyncio.gather(refused_within(buyer, one.gate, 2), refused_within(buyer, other.gate, 2))


async def test_an_open_websocket_is_closed_when_its_session_is_revoked_elsewhere(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async def shop(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        async for _ in opened:
            pass
        return opened

    app = web.Application()
    app.router.add_get("/{path:.*}", shop)
    async with TestServer(app) as server:
        upstreams = {"upstreams": (str(server.make_url("/")),)}
        async with two_processes(tmp_path, store_url, **upstreams) as (one, other), one.buyer() as buyer:
            session = await admitted(buyer, one)
            async with buyer.ws_connect(f"{other.gate}/live") as opened:
                await Office(one).act("revoke", session=session)
                message = await opened.receive(timeout=20)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_a_process_which_starts_later_knows_who_was_revoked(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    tokens = token_file(tmp_path)
    async with living(tmp_path, store_url, onsale(admission=FAST), admin_tokens=tokens) as here:
        buyer = here.buyer()
        session = await admitted(buyer, here)
        await Office(here).act("revoke", session=session)
    async with buyer, living(tmp_path, store_url, onsale(admission=FAST), admin_tokens=tokens) as again:
        await refused_within(buyer, again.gate, 2)


async def test_a_revoked_session_is_audited_and_a_completed_one_is_not(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        shop, operator = Office(here, Role.SHOP), Office(here)
        assert (await shop.post(f"/sessions/{UNKNOWN}/complete?onsale=cactus"))[1]["was_live"] is False
        await shop.post(f"/sessions/{UNKNOWN}/revoke?onsale=cactus")
        _, log = await operator.get("/admin/v1/audit")
        assert [(each["who"], each["what"], each["after"]) for each in log["entries"]] == [
            ("shop-of-tests", "revoke", {"session": "revoke"})
        ]
        assert (await shop.post(f"/sessions/{UNKNOWN}/revoke"))[0] == 404
        assert (await shop.post("/sessions/short/revoke?onsale=cactus"))[0] == 404
        assert (await shop.post(f"/sessions/{UNKNOWN}/revoke?onsale=tulip"))[0] == 404


async def test_revocations_are_kept_as_long_as_a_pass_could_hold(client: Redis, store_url: str) -> None:
    await OnsaleStore(client, "cactus", settings()).configure()
    operations = OnsaleOperations(client, "cactus")
    await client.xadd("{cactus}:revocations", {"session": "old", "kind": "revoke"}, id="1000-0")
    await operations.end_session(None, "revoke", "new", 360)
    assert [each.session for each in await operations.revocations("")] == ["new"]
    assert 300_000 < await client.pttl("{cactus}:revocations") <= 360_000


class Listener:
    """Reads server-sent events; the hours of onsales are told in between, and left out unless they are wanted."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, *, hours: bool = False) -> dict[str, Any]:
        """Return the next event, its data read as JSON."""
        while True:
            event = await self._next()
            if hours or event["event"] != "hours":
                return event

    async def _next(self) -> dict[str, Any]:
        event: dict[str, Any] = {}
        async with asyncio.timeout(20):
            while True:
                line = (await self._answer.content.readline()).decode().strip()
                if not line and "data" in event:
                    return event
                name, _, value = line.partition(": ")
                if name in {"id", "event"}:
                    event[name] = value
                elif name == "data":
                    event["data"] = json.loads(value)


@asynccontextmanager
async def listening(here: Living, query: str = "", **headers: str) -> AsyncIterator[Listener]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{here.room}/gate/revocations{query}", headers=headers) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        listener = Listener(answer)
        assert (await listener.next())["event"] == "hello"
        yield listener


async def test_the_feed_tells_what_comes_and_what_was_missed(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        office = Office(here)
        sessions = [f"{number:022d}" for number in range(3)]
        async with listening(here) as listener:
            await office.act("revoke", session=sessions[0])
            first = await listener.next()
            assert first["event"] == "revoked"
            assert first["data"] == {"onsale": "cactus", "session": sessions[0], "kind": "revoke"}
        for session in sessions[1:]:
            await office.act("revoke", session=session)
        async with listening(here, **{"Last-Event-ID": first["id"]}) as listener:
            told = set()
            while not set(sessions[1:]) <= told:
                told.add((await listener.next())["data"]["session"])
        async with listening(here) as listener:
            assert [(await listener.next())["data"]["session"] for _ in sessions] == sessions


async def test_the_feed_of_one_onsale_tells_of_no_other(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    rooms = (onsale(), onsale("tulip", protect=[{"path": "/tulip"}]))
    async with (
        living(tmp_path, store_url, *rooms, admin_tokens=token_file(tmp_path)) as here,
        listening(here, "?onsale=tulip") as listener,
    ):
        office = Office(here)
        await office.post("/admin/v1/onsales/cactus/revoke", {"session": UNKNOWN})
        await office.post("/admin/v1/onsales/tulip/revoke", {"session": UNKNOWN})
        assert (await listener.next())["data"]["onsale"] == "tulip"


async def test_the_feed_tells_when_onsales_guard_their_shops(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(opens="2098-12-31T00:00:00+00:00", closes="2099-01-01T00:00:00+00:00")
    async with (
        living(tmp_path, store_url, sale, admin_tokens=token_file(tmp_path)) as here,
        listening(here) as listener,
    ):
        told = (await listener.next(hours=True))["data"]
        assert told == {"onsale": "cactus", "begins": 4070822400.0, "closes": 4070908800.0}
        await Office(here).act("open", at="now")
        opened = (await listener.next(hours=True))["data"]
        assert opened["begins"] < told["begins"]
        assert opened["closes"] == told["closes"]


async def test_a_room_that_stops_lets_its_listeners_go(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Much longer than the test: whoever waits for them to go by themselves does not come to the end.
    monkeypatch.setattr("waitingroom.serve._SHUTDOWN_S", 3_600.0)
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        async with living(tmp_path, store_url, onsale()) as here:
            answer = await session.get(f"{here.room}/gate/revocations")
            await Listener(answer).next()
        assert b"revoked" not in await answer.content.read()
