"""A buyer's way over real HTTP: page, join, status, enter, shop."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis
from yarl import URL

from tests.waitingroom.living import HTML, Living, living, open_doors
from tests.waitingroom.samples import onsale

SHOP = "http://127.0.0.1:3000/cactus"  # on the host of room and gate: cookies of one are cookies of all
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "30s"}
SHUT = {"rate": "0.001/s", "burst": 1, "claimWithin": "30s"}


async def join(buyer: aiohttp.ClientSession, here: Living) -> dict[str, Any]:
    async with buyer.post(f"{here.room}/cactus/join") as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def wait_for_turn(buyer: aiohttp.ClientSession, here: Living) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            async with buyer.get(f"{here.room}/cactus/status") as answer:
                status = dict(await answer.json())
            if status["state"] == "released":
                return status
            await asyncio.sleep(0.05)


async def test_the_address_without_its_slash_leads_to_the_page(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(shop=SHOP, admission=SHUT)) as here, here.buyer() as buyer:
        for method in ("GET", "HEAD"):
            for query in ("", "?return=/seats%3Frow%3D1&lang=nl"):
                url = URL(f"{here.room}/cactus{query}", encoded=True)
                async with buyer.request(method, url, headers=HTML, allow_redirects=False) as answer:
                    assert answer.status == 308
                    assert answer.headers["Location"] == f"/cactus/{query}"
                    assert answer.headers["Cache-Control"] == "no-store"
        async with buyer.get(f"{here.room}/cactus", headers=HTML) as page:
            assert (page.status, page.url.path) == (200, "/cactus/")
        for path in ("/tulip", "/%2Felsewhere.example", "/cactus%2F"):
            async with buyer.get(URL(here.room + path, encoded=True), allow_redirects=False) as answer:
                assert answer.status == 404, path
        async with buyer.get(f"{here.room}/healthz") as answer:
            assert answer.status == 200


async def test_a_buyer_joins_waits_enters_and_shops(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(shop=SHOP, admission=FAST)) as here, here.buyer() as buyer:
        async with buyer.get(f"{here.gate}/seats?row=1") as turned_away:
            assert turned_away.status == 429
            assert turned_away.headers["Retry-After"] == "5"
            assert (await turned_away.json())["location"] == f"{here.room}/cactus/"
        joined = await join(buyer, here)
        assert joined["number"] == 1
        await wait_for_turn(buyer, here)
        async with buyer.post(f"{here.room}/cactus/enter") as entered:
            assert entered.status == 200
            admission = await entered.json()
        assert admission["location"] == SHOP
        async with buyer.post(
            f"{here.gate}/seats?row=1", data="two", headers={"X-Tidegate-Session": "forged"}
        ) as shop:
            assert shop.status == 200
            assert shop.headers["X-Shop"] == "yes"
            assert "X-Hop" not in shop.headers
            seen = await shop.json()
        assert seen["path"] == "/seats?row=1"
        assert seen["body"] == "two"
        assert seen["headers"]["X-Tidegate-Session"] == admission["session"]
        assert seen["headers"]["X-Tidegate-Onsale"] == "cactus"
        async with buyer.post(f"{here.room}/cactus/enter") as again:
            assert (await again.json())["session"] == admission["session"]


async def test_who_joins_again_keeps_the_number(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as buyer,
        here.buyer() as other,
    ):
        first = await join(buyer, here)
        assert (await join(other, here))["number"] == 2
        assert (await join(buyer, here))["number"] == first["number"]
        # A lost reply: the place never arrived, the device cookie had been set before.
        buyer.cookie_jar.clear(lambda cookie: cookie.key == "tidegate_place")
        assert (await join(buyer, here))["number"] == first["number"]


async def test_the_shop_ends_a_session_with_a_header(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=FAST)) as here, here.buyer() as buyer:
        await join(buyer, here)
        await wait_for_turn(buyer, here)
        async with buyer.post(f"{here.room}/cactus/enter") as entered:
            assert entered.status == 200
        cookies = buyer.cookie_jar.filter_cookies(URL(here.gate))
        async with buyer.get(f"{here.gate}/end") as done:
            assert done.status == 200
            assert "X-Tidegate-End" not in done.headers
        buyer.cookie_jar.update_cookies(cookies, URL(here.gate))
        async with buyer.get(f"{here.gate}/seats") as refused:
            assert refused.status == 429
        async with asyncio.timeout(30):  # until the session's capacity is freed
            while True:
                async with buyer.get(f"{here.room}/cactus/state") as answer:
                    if (await answer.json())["sessions"] == 0:
                        break
                await asyncio.sleep(0.05)


async def test_a_standing_room_lets_walk_ins_through_without_a_page(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(shop=SHOP, admission=FAST)) as here, here.buyer() as buyer:
        await has_tokens(here)
        async with buyer.get(f"{here.gate}/seats", headers=HTML, allow_redirects=False) as turned_away:
            address = turned_away.headers["Location"]
        async with buyer.get(address, headers=HTML, allow_redirects=False) as first:
            again = URL(here.room).join(URL(first.headers["Location"]))
        assert again.query["cookies"] == "1"
        async with buyer.get(again, headers=HTML, allow_redirects=False) as second:
            assert second.headers["Location"] == SHOP
        other = again.with_query({"return": "/cactus/seats?row=1"})
        buyer.cookie_jar.clear(lambda cookie: cookie.key == "tidegate_place")
        async with buyer.get(other, headers=HTML, allow_redirects=False) as third:
            assert third.headers["Location"] == f"{SHOP}/seats?row=1"
        async with buyer.get(f"{here.gate}/seats") as allowed:
            assert allowed.status == 200


async def test_a_walk_in_without_cookies_takes_no_place(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=FAST)) as here:
        await has_tokens(here)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar, headers=HTML) as robot:
            async with robot.get(f"{here.room}/cactus/") as refused:
                assert refused.status == 403
            async with robot.get(f"{here.room}/cactus/state") as answer:
                assert (await answer.json())["tail"] == 0


async def test_a_used_place_makes_way_for_a_new_one(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=FAST)) as here, here.buyer() as buyer:
        first = await join(buyer, here)
        await wait_for_turn(buyer, here)
        for path in ("enter", "enter"):
            async with buyer.post(f"{here.room}/cactus/{path}") as entered:
                session = (await entered.json())["session"]
        await here.rooms["cactus"].sessions.end([session])
        async with buyer.post(f"{here.room}/cactus/enter") as refused:
            assert (await refused.json())["state"] == "ended"
        assert (await join(buyer, here))["number"] == first["number"] + 1


async def test_listeners_hear_of_releases(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=FAST)) as here,
        here.buyer() as buyer,
        buyer.get(f"{here.room}/cactus/events") as events,
    ):
        assert events.content_type == "text/event-stream"
        joined = await join(buyer, here)
        async with asyncio.timeout(20):
            async for line in events.content:
                if line.startswith(b"data: "):
                    ((epoch, released, _, end),) = json.loads(line[6:])["lines"]
                    if released >= 1:
                        break
        assert (epoch, end) == (joined["epoch"], 1)


async def has_tokens(here: Living) -> None:
    room = here.rooms["cactus"]
    async with asyncio.timeout(20):
        while not room.walk_in_now:
            await asyncio.sleep(0.01)


async def test_a_held_line_says_why(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await join(buyer, here)
        await client.hset("{cactus}:room", "hold", 'the "payment" <provider> is down')
        async with asyncio.timeout(20):
            while not (here.rooms["cactus"].snapshot and here.rooms["cactus"].snapshot.hold):
                await asyncio.sleep(0.01)
        async with buyer.get(f"{here.room}/cactus/status") as answer:
            status = await answer.json()
        assert (status["state"], status["reason"]) == ("held", 'the "payment" <provider> is down')
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert "the &#34;payment&#34; &lt;provider&gt; is down</p>" in await page.text()


async def test_two_tabs_at_once_get_one_number(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert page.status == 200
        tabs = await asyncio.gather(*(join(buyer, here) for _ in range(5)))
        assert {tab["number"] for tab in tabs} == {1}


async def test_nobody_enters_before_their_turn(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await join(buyer, here)
        async with buyer.post(f"{here.room}/cactus/enter") as refused:
            assert refused.status == 409
            problem = await refused.json()
        assert (problem["state"], problem["status"]) == ("waiting", 409)
        async with buyer.get(f"{here.gate}/", headers=HTML, allow_redirects=False) as turned_away:
            assert turned_away.status == 303
            assert turned_away.headers["Location"] == f"{here.room}/cactus/"


async def test_a_copied_pass_admits_no_second_device(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=FAST)) as here,
        here.buyer() as buyer,
        here.buyer() as thief,
    ):
        await join(buyer, here)
        await wait_for_turn(buyer, here)
        async with buyer.post(f"{here.room}/cactus/enter") as entered:
            assert entered.status == 200
        cookies = buyer.cookie_jar.filter_cookies(URL(here.room))
        thief.cookie_jar.update_cookies(
            {"tidegate_pass_cactus": cookies["tidegate_pass_cactus"].value}, URL(here.gate)
        )
        async with thief.get(f"{here.gate}/seats") as refused:
            assert refused.status == 429
        async with buyer.get(f"{here.gate}/seats") as allowed:
            assert allowed.status == 200


async def test_the_opening_draws_the_prequeue_and_publishes_the_record(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=FAST)
    async with living(tmp_path, store_url, sale) as here:
        buyers = [here.buyer() for _ in range(8)]
        try:
            joined = [await join(buyer, here) for buyer in buyers]
            assert {status["state"] for status in joined} == {"prequeue"}
            assert {status["position"] for status in joined} == {None}
            async with buyers[0].get(f"{here.room}/cactus/draw") as answer:
                before = await answer.json()
            assert before["record"] is None
            await open_doors(client)
            statuses = [await wait_for_turn(buyer, here) for buyer in buyers]
            assert sorted(status["position"] for status in statuses) == list(range(1, 9))
            async with buyers[0].get(f"{here.room}/cactus/draw") as answer:
                after = await answer.json()
            assert after["commitment"] == before["commitment"]
            assert after["record"]
        finally:
            for buyer in buyers:
                await buyer.close()


async def test_bodies_stream_through_the_gate(tmp_path: Path, store_url: str, client: Redis) -> None:
    sale = onsale(admission=FAST, bypass=[{"path": "/open"}])
    async with living(tmp_path, store_url, sale) as here, here.buyer() as buyer:
        body = b"tide" * 500_000
        async with buyer.post(f"{here.gate}/open/stream", data=io.BytesIO(body)) as answer:
            assert await answer.read() == body


async def test_a_status_without_a_place_says_to_join(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale()) as here, here.buyer() as buyer:
        async with buyer.get(f"{here.room}/cactus/status") as answer:
            assert answer.status == 404
            assert answer.content_type == "application/problem+json"
        async with buyer.get(f"{here.room}/nothing/status") as answer:
            assert answer.status == 404
        async with buyer.get(f"{here.room}/metrics") as answer:
            assert 'tidegate_queue_waiting{onsale="cactus"}' in await answer.text()


async def test_the_page_needs_no_javascript(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert 'action="/cactus/join"' in await page.text()
            assert "unsafe" not in page.headers["Content-Security-Policy"]
        async with buyer.post(f"{here.room}/cactus/join", headers=HTML) as page:
            text = await page.text()
        assert page.url.path == "/cactus/"
        assert "You are in line</h2>" in text
        assert '<dd id="number">1</dd>' in text
