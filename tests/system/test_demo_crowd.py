"""The crowd against a small room of the test's own, which does by the contract, or breaks it on purpose."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tidegate.demo.buyer import Addresses
from tidegate.demo.crowd import CrowdOptions, play
from tidegate.demo.progress import Board
from tidegate.demo.records import BuyerRecord, Outcome, Step
from tidegate.demo.shapes import BuyerPlan, Kind

ONSALE = "show"
RETRY_S = 0.02


@dataclass
class FakeRoom:
    """Room, gate and shop in one; numbers by device, a turn after so many polls."""

    polls_to_turn: int = 3
    numbers: dict[str, int] = field(default_factory=dict)
    polls: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[int]] = field(default_factory=dict)
    next_number: Callable[[FakeRoom, str], int] | None = None
    reason: dict[str, object] | None = None
    base: str = ""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._count])
        app.add_routes(
            [
                web.get("/", self.gate),
                web.get("/seats", self.gate),
                web.post("/checkout", self.gate),
                web.get(f"/{ONSALE}/", self.page),
                web.post(f"/{ONSALE}/join", self.join),
                web.get(f"/{ONSALE}/status", self.status),
                web.post(f"/{ONSALE}/enter", self.enter),
            ]
        )
        return app

    @web.middleware
    async def _count(
        self, request: web.Request, handler: Callable[[web.Request], object]
    ) -> web.StreamResponse:
        self.hits[request.path] += 1
        planned = self.failures.get(request.path)
        if planned:
            return web.Response(status=planned.pop(0), headers={"Retry-After": "0"})
        return await handler(request)

    async def gate(self, request: web.Request) -> web.Response:
        assert "tidegate_place" not in request.cookies, "the place belongs to the room alone"
        if f"tidegate_pass_{ONSALE}" in request.cookies:
            return web.Response(text="inside")
        if "text/html" in request.headers["Accept"]:
            return web.Response(status=303, headers={"Location": f"{self.base}/{ONSALE}/"})
        return web.Response(status=429)

    async def page(self, request: web.Request) -> web.Response:
        response = web.Response(text="page")
        if "tidegate_device" not in request.cookies:
            response.set_cookie("tidegate_device", f"device-{self.hits[request.path]}", path="/")
        return response

    async def join(self, request: web.Request) -> web.Response:
        device = request.cookies["tidegate_device"]
        number = self.numbers.setdefault(device, len(self.numbers) + 1)
        if self.next_number is not None:
            number = self.next_number(self, device)
        response = web.json_response({"place": device, **self.fields("waiting", number)})
        response.set_cookie("tidegate_place", device, path=f"/{ONSALE}")
        return response

    async def status(self, request: web.Request) -> web.Response:
        device = request.cookies.get("tidegate_place")
        if device is None:
            return web.json_response({"title": "No place"}, status=404)
        self.polls[device] += 1
        state = "released" if self.polls[device] >= self.polls_to_turn else "waiting"
        return web.json_response(self.fields(state, self.numbers[device]))

    async def enter(self, request: web.Request) -> web.Response:
        device = request.cookies["tidegate_place"]
        response = web.json_response(
            {"state": "admitted", "location": "/", "session": f"session-of-{device}"}
        )
        response.set_cookie(f"tidegate_pass_{ONSALE}", "pass", path="/")
        return response

    def fields(self, state: str, number: int) -> dict[str, object]:
        return {
            "onsale": ONSALE, "state": state, "number": number, "epoch": 1, "position": number, "ahead": 0,
            "eta_s": None, "eta_reason": self.reason, "retry_after": RETRY_S, "as_of": time.time(), "stale": False,
            "rate_per_s": 1.0,
        }  # fmt: skip


@pytest.fixture(autouse=True)
def hurried_buyers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody thinks, and refreshers cannot stop."""
    monkeypatch.setattr("tidegate.demo.buyer.THINK_S", (0.0, 0.01))
    monkeypatch.setattr("tidegate.demo.buyer._REFRESH_EVERY_S", (0.0, 0.0))
    monkeypatch.setattr("tidegate.demo.buyer._BACKOFF_S", (0.01, 0.02))


@pytest.fixture
async def room() -> AsyncIterator[FakeRoom]:
    fake = FakeRoom()
    server = TestServer(fake.app())
    await server.start_server()
    fake.base = str(server.make_url("")).rstrip("/")
    yield fake
    await server.close()


async def visit(room: FakeRoom, *kinds: Kind, stop: asyncio.Event | None = None) -> list[BuyerRecord]:
    plans = [BuyerPlan(number, 0.0, kind, seed=number) for number, kind in enumerate(kinds)]
    options = CrowdOptions(room.base, room.base, ONSALE, len(plans), 5.0, time.time(), 1, Path("unused"))
    return await asyncio.wait_for(play(plans, options, Board(), stop or asyncio.Event()), 120)


async def test_a_plain_buyer_is_sent_to_the_line_and_comes_back_with_a_ticket(room: FakeRoom) -> None:
    [buyer] = await visit(room, Kind.PLAIN)
    assert buyer.outcome is Outcome.SERVED
    assert (buyer.numbers, buyer.positions, buyer.no_place) == (((1, 1),), ((1, 1),), 0)
    assert [visit.step for visit in buyer.visits] == [Step.LANDING, Step.SEATS, Step.CHECKOUT]
    assert buyer.sessions == ("session-of-device-1",)
    assert room.hits == {
        "/": 2, f"/{ONSALE}/": 1, f"/{ONSALE}/join": 1, f"/{ONSALE}/status": 3, f"/{ONSALE}/enter": 1,
        "/seats": 1, "/checkout": 1,
    }  # fmt: skip


async def test_what_a_buyer_was_told_is_kept_by_store_time(room: FakeRoom) -> None:
    [buyer] = await visit(room, Kind.PLAIN)
    assert buyer.last_waiting_as_of_s is not None
    assert buyer.first_released_as_of_s is not None
    assert buyer.arrived_s <= buyer.last_waiting_as_of_s < buyer.first_released_as_of_s
    assert buyer.admitted_s is not None
    assert buyer.admitted_s >= buyer.first_released_as_of_s


async def test_why_the_wait_has_grown_is_kept_once_for_each_reason(room: FakeRoom) -> None:
    room.reason = {"code": "shop_slow", "text": "The shop is slower than usual."}
    [told] = await visit(room, Kind.PLAIN)
    room.reason = None
    [untold] = await visit(room, Kind.PLAIN)
    assert (told.reasons, untold.reasons) == (("shop_slow",), ())


async def test_a_leaver_looks_a_few_times_and_never_enters(room: FakeRoom) -> None:
    [buyer] = await visit(room, Kind.LEAVER)
    assert buyer.outcome is Outcome.LEFT
    assert 2 <= room.hits[f"/{ONSALE}/status"] <= 4
    assert room.hits[f"/{ONSALE}/enter"] == 0


async def test_a_refresher_loads_page_and_place_again(room: FakeRoom) -> None:
    [buyer] = await visit(room, Kind.REFRESHER)
    assert buyer.outcome is Outcome.SERVED
    assert buyer.numbers == ((1, 1),)
    assert room.hits[f"/{ONSALE}/"] == room.hits[f"/{ONSALE}/join"] == 3


async def test_a_refresher_sees_that_the_number_has_changed(room: FakeRoom) -> None:
    room.next_number = lambda fake, _: fake.hits[f"/{ONSALE}/join"]
    [buyer] = await visit(room, Kind.REFRESHER)
    assert buyer.numbers == ((1, 1), (1, 2), (1, 3))


async def test_two_tabs_join_poll_and_enter_with_one_device(room: FakeRoom) -> None:
    [buyer] = await visit(room, Kind.TWO_TABS)
    assert buyer.outcome is Outcome.SERVED
    assert (buyer.numbers, buyer.sessions) == (((1, 1),), ("session-of-device-1",))
    assert room.hits[f"/{ONSALE}/join"] == room.hits[f"/{ONSALE}/enter"] == 2
    assert room.hits["/checkout"] == 1


async def test_two_tabs_see_that_they_were_given_two_numbers(room: FakeRoom) -> None:
    room.next_number = lambda fake, _: fake.hits[f"/{ONSALE}/join"]
    [buyer] = await visit(room, Kind.TWO_TABS)
    assert len(buyer.numbers) == 2


async def test_failures_of_the_room_are_counted_and_tried_again(room: FakeRoom) -> None:
    room.failures = {f"/{ONSALE}/join": [503, 503], f"/{ONSALE}/status": [500]}
    [buyer] = await visit(room, Kind.PLAIN)
    assert buyer.outcome is Outcome.SERVED
    assert (buyer.room_errors, buyer.no_place) == (3, 0)


async def test_being_told_that_there_is_no_place_is_kept(room: FakeRoom) -> None:
    room.failures = {f"/{ONSALE}/status": [404]}
    [buyer] = await visit(room, Kind.PLAIN)
    assert (buyer.outcome, buyer.no_place) == (Outcome.SERVED, 1)


async def test_a_shop_that_is_full_is_tried_again_and_every_answer_kept(room: FakeRoom) -> None:
    room.failures = {"/checkout": [503, 502]}
    [buyer] = await visit(room, Kind.PLAIN)
    assert [visit.status for visit in buyer.visits] == [200, 200, 503, 502, 200]
    assert buyer.checkout_begun_s == buyer.visits[-1].begun_s


async def test_who_is_turned_away_at_the_gate_goes_back_to_the_line(room: FakeRoom) -> None:
    room.failures = {"/seats": [429]}
    [buyer] = await visit(room, Kind.PLAIN)
    assert buyer.outcome is Outcome.SERVED
    assert [visit.status for visit in buyer.visits] == [200, 429, 200, 200, 200]


async def test_a_refused_claim_is_asked_for_again(room: FakeRoom) -> None:
    room.failures = {f"/{ONSALE}/enter": [409]}
    [buyer] = await visit(room, Kind.PLAIN)
    assert buyer.outcome is Outcome.SERVED
    assert room.hits[f"/{ONSALE}/enter"] == 2


async def test_a_crowd_that_is_stopped_tells_what_it_saw_so_far(room: FakeRoom) -> None:
    room.polls_to_turn = 10**9
    stop = asyncio.Event()
    records = asyncio.create_task(visit(room, Kind.PLAIN, Kind.PLAIN, stop=stop))
    await until(lambda: len(room.polls) == 2)
    stop.set()
    assert [(buyer.outcome, len(buyer.numbers)) for buyer in await records] == [(Outcome.UNSERVED, 1)] * 2


async def test_two_hundred_of_all_kinds_are_through_and_each_is_on_record(
    room: FakeRoom, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [Kind.PLAIN, Kind.REFRESHER, Kind.LEAVER, Kind.TWO_TABS] * 50
    buyers = await visit(room, *kinds)
    assert Counter(buyer.outcome for buyer in buyers) == {Outcome.SERVED: 150, Outcome.LEFT: 50}
    assert all(len(buyer.numbers) == 1 for buyer in buyers)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["joined"], last["served"], last["left"], last["waiting"], last["in_shop"]) == (
        200,
        150,
        50,
        0,
        0,
    )


def test_addresses_are_those_of_the_contract() -> None:
    addresses = Addresses("http://127.0.0.1:8080", "http://127.0.0.1:8081", "show")
    assert str(addresses.page) == "http://127.0.0.1:8080/show/"
    assert str(addresses.enter) == "http://127.0.0.1:8080/show/enter"
    assert str(addresses.shop[Step.LANDING]) == "http://127.0.0.1:8081/"


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
