"""The crowd, in a process of its own: buyers who come when they come, join, ask when they are told to, and enter in their turn.

An open loop: when a question is due is settled without regard to how quickly others are answered, and its latency counts from
then, so that a room that stalls is charged for everyone who had to wait. Arrivals are a Poisson stream; a buyer asks again
`retry_after` after an answer. One line of JSON is printed for each thing that happens: see `Driver.run`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from tidegate.bench.connections import Connections, Question
from tidegate.bench.questions import Questions, is_ok, read_joined, read_told
from tidegate.bench.register import Register, Turns
from tidegate.bench.tally import Tally
from tidegate.bench.timetable import Timetable
from waitingroom.polling import asking_for

JOIN, AGAIN, STATUS, ENTER = "join", "again", "status", "enter"
_TICK_S = 0.001
_LATEST_S = 300.0
_MOST_FAILURES_TOLD = 5


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """Where the room is and how the crowd behaves.

    Attributes:
        onsale, host, port: the room.
        buyers: how many come, `joins_per_s` on the average.
        seconds: how long the line is watched once all have joined.
        poll_budget_per_s: the room's own, by which a line that has stood for hours is laid out.
        again_every: each so-manieth buyer joins a second time, in turn without and with the place.
        connections: how many are kept open.
        seed: of arrivals and of the phases in which buyers ask.
    """

    onsale: str
    host: str
    port: int
    buyers: int
    joins_per_s: float
    seconds: float
    poll_budget_per_s: float
    again_every: int = 50
    connections: int = 128
    seed: int = 1

    def to_json(self) -> str:
        """Return the options as the driver's argument."""
        return json.dumps(asdict(self))


class Driver:
    """Plays the crowd."""

    def __init__(self, options: DriverOptions) -> None:
        self._options = options
        self._questions = Questions(options.onsale, f"{options.host}:{options.port}")
        self.register = Register(options.buyers)
        self._turns = Turns(options.buyers)
        self._timetable = Timetable()
        self._connections = Connections(self._answered, self._fail)
        self._random = random.Random(options.seed)
        self._zero_s = time.perf_counter()
        self._come = 0
        self._next_arrival_s = 0.0
        self._failures: list[str] = []
        self._failed = 0
        self._asking = False
        self._watching = False
        self._tally = Tally(0.0)
        self._due = asking_for(options.buyers, options.poll_budget_per_s)

    async def run(self) -> None:
        """Print `joining` when it begins, `joined` when all have their place, `watching` and `watched` around what is watched.

        Before `watching`, the next question of each waiting buyer is put to a random moment of the interval that is due to their
        position, as if all had stood in line for hours: a crowd that has just come asks less than it will, as most have not
        asked yet. Far back in a long line nobody asks twice while we watch; so what each answer of that time tells is held
        against the interval which is due.

        Last comes `judged` with what takes a while to count, so that nobody's processor time is measured meanwhile.
        """
        options = self._options
        await self._connections.open(options.host, options.port, options.connections)
        self._zero_s = time.perf_counter()
        self._begin(0.0)
        self._say("joining", {})
        ticking = asyncio.create_task(self._tick())
        while self.register.joined < options.buyers and not self._failures:
            await self._breathe(ticking)
        await self._settle(ticking)
        self._say("joined", self._tally.told(self.now_s()))
        self.lay_out()
        self._begin(self.now_s())
        self._watching = True
        self._say("watching", {})
        until_s = self.now_s() + options.seconds
        while self.now_s() < until_s:
            await self._breathe(ticking)
        await self._settle(ticking)
        self._say("watched", self._tally.told(self.now_s()))
        ticking.cancel()
        self._connections.close()
        self._say("judged", {"order_violations": self._turns.violations()})

    def _begin(self, now_s: float) -> None:
        self._tally = Tally(now_s)
        self._asking = True

    async def _settle(self, ticking: asyncio.Task[None]) -> None:
        """Ask no more, and wait for the answers under way."""
        self._asking = False
        latest_s = self.now_s() + _LATEST_S
        while self._connections.under_way and self.now_s() < latest_s:
            await self._breathe(ticking)
        if self._connections.under_way:
            self._fail(f"{self._connections.under_way} questions were not answered within {_LATEST_S:g} s")

    async def _breathe(self, ticking: asyncio.Task[None]) -> None:
        await asyncio.sleep(0.01)
        if ticking.done():
            ticking.result()

    async def _tick(self) -> None:
        """Send what is due, every millisecond."""
        while True:
            if self._asking:
                self._send_due(self.now_s())
            await asyncio.sleep(_TICK_S)

    def _send_due(self, now_s: float) -> None:
        options = self._options
        while self._come < options.buyers and self._next_arrival_s <= now_s:
            self._send(JOIN, self._come, self._next_arrival_s, now_s)
            self._come += 1
            self._next_arrival_s += self._random.expovariate(options.joins_per_s)
        for buyer, due_ms in self._timetable.take(int(now_s * 1000)):
            self._send(STATUS, buyer, due_ms / 1000, now_s)

    def _send(self, kind: str, buyer: int, due_s: float, now_s: float) -> None:
        self._tally.sent(now_s - due_s)
        questions, register = self._questions, self.register
        if kind is STATUS:
            request = questions.status(buyer, register.token(buyer))
        elif kind is ENTER:
            request = questions.enter(buyer, register.token(buyer))
        else:
            shown = kind is AGAIN and buyer // self._options.again_every % 2 == 1
            request = questions.join(buyer, register.token(buyer) if shown else b"")
        # A second join comes right after the first, as from another tab: the room knows a device for two minutes only.
        self._connections.send(Question(kind, buyer, due_s), request, first=kind is AGAIN)

    def _answered(self, question: Question, answer: bytes) -> None:
        now_s = self.now_s()
        self._tally.answered(question.kind, now_s - question.due_s)
        kind, buyer = question.kind, question.buyer
        if not is_ok(answer):
            self._fail(f"{kind}: {answer[-300:].decode('latin-1')}")
        elif kind is STATUS:
            self._hear(buyer, answer, now_s)
        elif kind is ENTER:
            self.register.gone[buyer] = 1
        else:
            joined = read_joined(answer)
            self.register.enter_place(buyer, joined.number, joined.token)
            if kind is JOIN:
                self._ask_again(buyer, joined.retry_after_s, now_s)
                if buyer % self._options.again_every == 0:
                    self._send(AGAIN, buyer, now_s, now_s)

    def _hear(self, buyer: int, answer: bytes, now_s: float) -> None:
        told = read_told(answer)
        number = self.register.numbers[buyer]
        # Everybody joins after the opening, so whoever is told no position stands where the number says.
        position = told.position or number
        if told.state == b"released":
            self._turns.came(position, told.as_of_s)
            self._send(ENTER, buyer, now_s, now_s)
            return
        if told.state == b"waiting":
            self._turns.waits(position, told.as_of_s)
            if self._watching:
                self._tally.asked_back(told.retry_after_s / self._interval_s(number))
        self._ask_again(buyer, told.retry_after_s, now_s)

    def _ask_again(self, buyer: int, retry_after_s: float, now_s: float) -> None:
        self._timetable.put(buyer, int((now_s + retry_after_s) * 1000) + 1)

    def lay_out(self) -> None:
        """Put the next question of each who waits to a random moment of their interval; no time passes meanwhile."""
        register = self.register
        self._timetable.clear()
        now_s = self.now_s()
        for buyer, number in enumerate(register.numbers):
            if number and not register.gone[buyer]:
                self._ask_again(buyer, self._random.random() * self._interval_s(number), now_s)
        # Our clock stands still meanwhile: what fell due in this second or two of a million would be asked at once.
        self._zero_s += self.now_s() - now_s

    def _interval_s(self, number: int) -> float:
        """Return how long a buyer should be told to wait on the average, by the numbers given and the turns heard of alone.

        By distance only: turns are good for so long here that nobody has to ask sooner on their account.
        """
        options, released = self._options, self._turns.highest
        waiting = options.buyers - released
        if self._due.waiting != waiting:
            self._due = asking_for(waiting, options.poll_budget_per_s)
        return self._due.interval_s(max(0, number - released - 1))

    def now_s(self) -> float:
        """Return the time of the crowd, in seconds since its beginning."""
        return time.perf_counter() - self._zero_s

    def _fail(self, reason: str) -> None:
        self._failed += 1
        if len(self._failures) < _MOST_FAILURES_TOLD:
            self._failures.append(reason)

    def _say(self, event: str, fields: dict[str, Any]) -> None:
        register = self.register
        counted = {
            "joined": register.joined,
            "wrong_numbers": register.wrong_numbers,
            "changed_places": register.changed_places,
            "entered": sum(register.gone),
            "failed": self._failed,
            "failures": self._failures,
            "cpu_s": time.process_time(),
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        sys.stdout.write(json.dumps({"event": event, **counted, **fields}) + "\n")
        sys.stdout.flush()


async def drive(options: DriverOptions) -> None:
    """Play the crowd to the end."""
    await Driver(options).run()


if __name__ == "__main__":
    gc.disable()  # nothing here is in cycles, and a search through a million places would be charged to the room
    uvloop.run(drive(DriverOptions(**json.loads(sys.argv[1]))))
