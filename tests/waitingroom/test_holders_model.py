"""Places of accounts and moved places on a real store, by two processes, against a model: one account has one place, one live
holder has it.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.waitingroom.holders_model import CodeModel, HoldersModel, PlaceModel
from tests.waitingroom.samples import KEYRING, device, onsale
from tests.waitingroom.virtual_store import SECOND, VirtualStore
from waitingroom.errors import MoveRefused
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.store.client import ClaimOutcome

BEGIN_US = 1_700_000_000 * SECOND + 123_456
SALE = onsale(
    admission={"rate": "10000/s", "burst": 10_000, "claimWithin": "9999h"},
    session={"length": "9999h", "max": "9999h"},
)
ACCOUNTS = ("ann", "bob", "cleo")
DEVICES = [device(number) for number in range(5)]

Value = TypeVar("Value")

processes = st.integers(0, 1)
devices = st.sampled_from(DEVICES)


@dataclass(frozen=True)
class Shown:
    """A place that was given to some buyer at some time: they may show it whenever they like."""

    token: str
    place: Place
    model: PlaceModel


class HoldersMachine(RuleBasedStateMachine):
    """Every rule acts on a room and on the model, and both must say the same."""

    def __init__(self, store_url: str) -> None:
        super().__init__()
        self.stores = [VirtualStore(store_url, "cactus") for _ in range(2)]
        self.rooms = [Room(SALE, store.scripts, KEYRING, poll_budget_per_s=1_000.0) for store in self.stores]
        self.now_us = BEGIN_US
        self.model = HoldersModel()
        self.shown: list[Shown] = []
        self.codes: list[tuple[str, CodeModel]] = []
        self.newcomers = 1_000

    def teardown(self) -> None:
        for store in self.stores:
            store.close()

    @initialize()
    def begin(self) -> None:
        self.stores[0].empty()
        self.set_clock()
        for store, room in zip(self.stores, self.rooms, strict=True):
            store.do(room.configure())
        self.wait(SECOND)

    # --- what happens

    @rule(process=processes)
    def join(self, process: int) -> None:
        self.newcomers += 1
        nonce = device(self.newcomers)
        self.note(self.ask(process, self.rooms[process].join(nonce)), self.model.join(nonce))

    @rule(process=processes, account=st.sampled_from(ACCOUNTS), device=devices, move=st.booleans())
    def enrol(self, process: int, account: str, device: str, move: bool) -> None:
        expected = self.model.enrol(account, device, move=move)
        self.note(self.ask(process, self.rooms[process].join_for(account, device, move=move)), expected)

    @rule(process=processes, data=st.data())
    @precondition(lambda self: self.shown)
    def issue(self, process: int, data: st.DataObject) -> None:
        self.issue_for(process, data.draw(st.sampled_from(self.shown), label="place"))

    @rule(process=processes, takers=st.lists(devices, max_size=3), data=st.data())
    @precondition(lambda self: self.shown)
    def move(self, process: int, takers: list[str], data: st.DataObject) -> None:
        """Make a code for one of the newest places, and let some devices try it at once."""
        before = len(self.codes)
        self.issue_for(process, data.draw(st.sampled_from(self.shown[-3:]), label="place"))
        for taker in takers if len(self.codes) > before else ():
            self.redeem_by(process, taker, *self.codes[-1])

    @rule()
    @precondition(lambda self: self.codes)
    def wait_for_a_code_to_end(self) -> None:
        self.wait(max(1, self.codes[-1][1].ends_us - self.now_us))

    @rule(process=processes, device=devices, data=st.data())
    @precondition(lambda self: self.codes)
    def redeem(self, process: int, device: str, data: st.DataObject) -> None:
        self.redeem_by(process, device, *data.draw(st.sampled_from(self.codes[-3:]), label="code"))

    @rule(process=processes, data=st.data())
    @precondition(lambda self: self.shown)
    def claim(self, process: int, data: st.DataObject) -> None:
        shown = data.draw(st.sampled_from(self.shown), label="place")
        self.refresh(process)
        place = self.rooms[process].place(shown.token)
        assert place == shown.place
        claim = self.do(process, self.rooms[process].claim(place))
        assert str(claim.outcome) == self.model.claim(shown.model, place.generation)
        for session in self.stores[process].revoked():
            for room in self.rooms:
                room.sessions.forget(session)
        if claim.outcome is ClaimOutcome.MOVED:
            assert self.rooms[process].is_moved(place)

    @rule(process=processes)
    def hear(self, process: int) -> None:
        """Once a process has refreshed, it knows of every move there was."""
        self.refresh(process)
        for shown in self.shown:
            behind = shown.place.generation < shown.model.generation
            assert self.rooms[process].is_moved(shown.place) == behind

    @rule(time_us=st.sampled_from([1, SECOND, 2 * SECOND, 5 * SECOND, 300 * SECOND, 600 * SECOND - 1]))
    def wait(self, time_us: int) -> None:
        self.now_us += time_us
        self.set_clock()

    @rule()
    def lose_data(self) -> None:
        """The store comes back empty; both processes put back what they know, and the line goes on."""
        for process in (0, 1):
            self.refresh(process)
        self.stores[0].empty()
        self.set_clock()
        self.model.lose_data()
        for _ in range(2):
            for process in (0, 1):
                self.refresh(process)
        self.wait(61 * SECOND)

    # --- what must hold after each of them

    @invariant()
    def an_account_has_one_place_and_nobody_else_has_it(self) -> None:
        numbers: dict[tuple[int, int], set[int]] = {}
        for shown in self.shown:
            numbers.setdefault((shown.place.epoch, shown.place.number), set()).add(shown.model.name)
        assert all(len(names) == 1 for names in numbers.values())
        assert len(numbers) == len(self.model.places)

    @invariant()
    def a_place_has_one_live_session_of_its_last_entry(self) -> None:
        live = self.stores[0].read(self.now_us)["sessions"] if self.shown else {}
        expected = set()
        for shown in self.shown:
            if shown.model.entered_as is not None:
                entered = replace(shown.place, generation=shown.model.entered_as)
                expected.add(self.rooms[0].session_of(entered))
        assert set(cast("dict[str, int]", live)) == expected

    # --- how

    def issue_for(self, process: int, shown: Shown) -> None:
        self.refresh(process)
        expected = self.model.issue(shown.model, shown.place.generation, self.now_us)
        issued = self.ask(process, self.rooms[process].issue_code(shown.place))
        if isinstance(issued, str):
            assert issued == expected
        else:
            code, good_s = issued
            assert (expected, good_s) == ("issued", 600.0)
            self.codes.append((code, self.model.codes[-1]))

    def redeem_by(self, process: int, device: str, code: str, known: CodeModel) -> None:
        expected = self.model.redeem(known, device, self.now_us)
        self.note(self.ask(process, self.rooms[process].redeem_code(code, device)), expected)

    def note(self, given: tuple[str, Place] | str, expected: PlaceModel | str) -> None:
        """Compare what a room gave with what it should have, and keep it: its buyer may show it from now on."""
        if isinstance(given, str) or isinstance(expected, str):
            assert given == expected
            return
        token, place = given
        assert place.generation == expected.generation
        assert place.device.decode() == expected.device
        self.shown.append(Shown(token, place, expected))

    def refresh(self, process: int) -> None:
        # Twice: what a new epoch owes to the first is told with it.
        for _ in range(2):
            self.do(process, self.rooms[process].refresh())

    def ask(self, process: int, work: Awaitable[Value]) -> Value | str:
        """Let a process do something; a refusal's reason stands for what was refused."""
        try:
            return self.do(process, work)
        except MoveRefused as refused:
            return refused.reason

    def do(self, process: int, work: Awaitable[Value]) -> Value:
        return self.stores[process].do(work)

    def set_clock(self) -> None:
        self.stores[0].set_clock(self.now_us)


@pytest.mark.parametrize("examples", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_places_are_held_as_the_model_says(store_url: str, examples: int) -> None:
    run_state_machine_as_test(
        cast("type[HoldersMachine]", lambda: HoldersMachine(store_url)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
