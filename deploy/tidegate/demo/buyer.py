"""One simulated buyer: what is done from the first click to the paid concert ticket, and what is seen on the way.

A buyer knows what a browser knows: addresses, cookies, answers. Nothing is learnt from the server's books.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from tidegate.demo.browser import HTML, Answer, Browser
from tidegate.demo.progress import Board
from tidegate.demo.records import BuyerRecord, Outcome, ShopVisit, Step, ToldWait
from tidegate.demo.shapes import THINK_S, BuyerPlan, Kind

_WAITING = frozenset({"prequeue", "waiting", "held"})
_TURN = frozenset({"released", "late", "admitted"})
_POLLS_OF_A_LEAVER = (2, 4)
_REFRESH_EVERY_S = (2.0, 8.0)
_BACKOFF_S = (0.25, 4.0)
_ASK_AGAIN_S = 2.0


class Addresses:
    """Where a buyer goes: the shop behind its gate, and the pages of the waiting room."""

    def __init__(self, room: str, gate: str, onsale: str) -> None:
        """Parse each address once."""
        line = URL(room) / onsale
        self.page = line / ""
        self.join = line / "join"
        self.status = line / "status"
        self.enter = line / "enter"
        shop = URL(gate).with_path("/")
        self.shop = {Step.LANDING: shop, Step.SEATS: shop / "seats", Step.CHECKOUT: shop / "checkout"}


@dataclass(slots=True)
class _Seen:
    """What this buyer has seen so far; see BuyerRecord."""

    arrived_s: float
    outcome: Outcome
    numbers: dict[tuple[int, int], None]
    positions: dict[tuple[int, int], None]
    sessions: dict[str, None]
    visits: list[ShopVisit]
    told: list[ToldWait]
    reasons: dict[str, None]
    no_place: int = 0
    last_waiting_as_of_s: float | None = None
    first_released_as_of_s: float | None = None
    admitted_s: float | None = None
    room_errors: int = 0


class Buyer:
    """Plays one plan. `record` can be taken at any moment."""

    def __init__(
        self, plan: BuyerPlan, addresses: Addresses, pool: ClientSession, board: Board, opens_s: float
    ) -> None:
        """Prepare; nothing is sent before `run`."""
        self._plan = plan
        self._addresses = addresses
        self._browser = Browser(pool, plan.buyer)
        self._board = board
        self._dice = random.Random(plan.seed)
        self._seen = _Seen(opens_s + plan.arrive_at_s, Outcome.UNSERVED, {}, {}, {}, [], [], {})
        self._tabs = 2 if plan.kind is Kind.TWO_TABS else 1

    def record(self) -> BuyerRecord:
        """Return what has been seen up to now."""
        seen = self._seen
        return BuyerRecord(
            buyer=self._plan.buyer,
            kind=self._plan.kind,
            arrived_s=seen.arrived_s,
            outcome=seen.outcome,
            numbers=tuple(seen.numbers),
            positions=tuple(seen.positions),
            no_place=seen.no_place,
            last_waiting_as_of_s=seen.last_waiting_as_of_s,
            first_released_as_of_s=seen.first_released_as_of_s,
            sessions=tuple(seen.sessions),
            admitted_s=seen.admitted_s,
            visits=tuple(seen.visits),
            room_errors=seen.room_errors,
            told=tuple(seen.told),
            reasons=tuple(seen.reasons),
        )

    async def run(self) -> None:
        """Arrive when planned; come back with a concert ticket, or leave."""
        await asyncio.sleep(max(0.0, self._seen.arrived_s - time.time()))
        self._seen.arrived_s = time.time()
        await self._find_the_line()
        await asyncio.gather(*(self._join() for _ in range(self._tabs)))
        self._board.joined += 1
        if not self._plan.stays:
            await self._look_a_few_times()
            self._seen.outcome = Outcome.LEFT
            self._board.left += 1
            return
        bought = False
        while not bought:
            await self._wait_for_turn()
            if await self._enter():
                self._board.in_shop += 1
                bought = await self._buy()
                self._board.in_shop -= 1
        self._seen.outcome = Outcome.SERVED
        self._board.served += 1

    async def _find_the_line(self) -> None:
        """Go to the shop; its gate sends us to the line, whose page gives this device its cookie."""
        answer = await self._persist("GET", self._addresses.shop[Step.LANDING], HTML)
        page = URL(answer.headers["Location"]) if answer.status in {302, 303, 307} else self._addresses.page
        await self._persist("GET", page, HTML)
        if self._tabs > 1:
            await self._persist("GET", page, HTML)

    async def _join(self) -> None:
        while True:
            answer = await self._persist("POST", self._addresses.join)
            if answer.status == 200:
                self._note_status(answer.document())
                return
            await asyncio.sleep(answer.retry_after_s(_ASK_AGAIN_S))

    async def _look_a_few_times(self) -> None:
        for _ in range(self._dice.randint(*_POLLS_OF_A_LEAVER)):
            await asyncio.sleep((await self._ask())[1])

    async def _wait_for_turn(self) -> None:
        """Poll in every tab until one is told that it is our turn."""
        turn = asyncio.Event()
        async with asyncio.TaskGroup() as tabs:
            for _ in range(self._tabs - 1):
                tabs.create_task(self._poll(turn))
            await self._poll(turn)

    async def _poll(self, turn: asyncio.Event) -> None:
        refresh_at = time.time() + self._dice.uniform(*_REFRESH_EVERY_S)
        while not turn.is_set():
            state, retry_after_s = await self._ask()
            if state in _TURN:
                turn.set()
            elif self._tabs == 1:
                await asyncio.sleep(retry_after_s)
            else:
                await _sleep_unless(turn, retry_after_s)
            if self._plan.kind is Kind.REFRESHER and time.time() >= refresh_at and not turn.is_set():
                await self._persist("GET", self._addresses.page, HTML)
                await self._join()
                refresh_at = time.time() + self._dice.uniform(*_REFRESH_EVERY_S)

    async def _ask(self) -> tuple[str, float]:
        """Ask where we stand; return the state and when to ask again."""
        answer = await self._persist("GET", self._addresses.status)
        if answer.status == 200:
            document = answer.document()
            self._note_status(document)
            return document["state"], document["retry_after"]
        if answer.status == 404:
            self._seen.no_place += 1
        return "", answer.retry_after_s(_ASK_AGAIN_S)

    async def _enter(self) -> bool:
        """Claim in all tabs at once; tell whether we are in."""
        admitted = await asyncio.gather(*(self._claim() for _ in range(self._tabs)))
        return any(admitted)

    async def _claim(self) -> bool:
        answer = await self._persist("POST", self._addresses.enter)
        document = answer.document()
        if answer.status == 200:
            self._seen.sessions[document["session"]] = None
            self._seen.admitted_s = self._seen.admitted_s or time.time()
            return True
        if answer.status == 404:
            self._seen.no_place += 1
        await asyncio.sleep(float(document.get("retry_after", _ASK_AGAIN_S)))
        return False

    async def _buy(self) -> bool:
        """Walk through the shop; False if its gate turns us away on the way."""
        for step in Step:
            if step is not Step.LANDING:
                await asyncio.sleep(self._dice.uniform(*THINK_S))
            if not await self._visit(step):
                return False
        return True

    async def _visit(self, step: Step) -> bool:
        """Open one page of the shop, again for as long as the shop fails; False if the gate turns us away."""
        backoff_s = _BACKOFF_S[0]
        while True:
            url = self._addresses.shop[step]
            answer = await (self._browser.post(url) if step is Step.CHECKOUT else self._browser.get(url))
            visit = ShopVisit(step, answer.status, answer.begun_s, answer.latency_s)
            self._seen.visits.append(visit)
            self._board.note(visit)
            if not visit.failed:
                return visit.succeeded
            await asyncio.sleep(answer.retry_after_s(backoff_s) * self._dice.uniform(1.0, 1.25))
            backoff_s = min(2.0 * backoff_s, _BACKOFF_S[1])

    async def _persist(self, method: str, url: URL, accept: str = "") -> Answer:
        """Send a request to the room until it is answered by something other than a failure."""
        backoff_s = _BACKOFF_S[0]
        while True:
            if method == "POST":
                answer = await self._browser.post(url)
            else:
                answer = await (self._browser.get(url, accept) if accept else self._browser.get(url))
            if 0 < answer.status < 500:
                return answer
            self._seen.room_errors += 1
            self._board.errors += 1
            await asyncio.sleep(answer.retry_after_s(backoff_s) * self._dice.uniform(1.0, 1.25))
            backoff_s = min(2.0 * backoff_s, _BACKOFF_S[1])

    def _note_status(self, document: dict[str, Any]) -> None:
        seen = self._seen
        epoch, as_of = document["epoch"], document["as_of"]
        seen.numbers[epoch, document["number"]] = None
        if document["position"] is not None:
            seen.positions[epoch, document["position"]] = None
        if document["state"] in _WAITING:
            seen.last_waiting_as_of_s = max(as_of, seen.last_waiting_as_of_s or as_of)
            if document["eta_s"] is not None:
                seen.told.append(ToldWait(as_of, *document["eta_s"]))
            if document["eta_reason"] is not None:
                seen.reasons[document["eta_reason"]["code"]] = None
        elif document["state"] in _TURN:
            seen.first_released_as_of_s = min(as_of, seen.first_released_as_of_s or as_of)


async def _sleep_unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake up as soon as `event` is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
