"""P8 over any run of events: two processes at a store which is killed, and comes back with all, none or older data.

One thing goes wrong at a time: a process is killed only where the other ones have told what they know since the last loss. Where
all go at once only the numbers and the places are looked at, as nobody knows any more who was called.
"""

from collections.abc import Awaitable, Mapping
from typing import TypeAlias, TypeVar, cast

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

from tests.waitingroom.samples import KEYRING, device, onsale
from tests.waitingroom.virtual_store import SECOND, VirtualStore
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.standing import State
from waitingroom.store.client import ClaimOutcome

BEGIN_US = 1_700_000_000 * SECOND + 123_456
CALL_US = 1_000
"""What a call takes: no two answers are true for the same moment."""
RATE_PER_S, BURST = 2, 1
"""So few at a time that who was called and forgotten is not called again at once."""
SALE = onsale(
    admission={"rate": f"{RATE_PER_S}/s", "burst": BURST, "claimWithin": "9999h"},
    session={"length": "9999h", "max": "9999h"},
)

Value = TypeVar("Value")
Spot: TypeAlias = tuple[int, int]
"""Epoch and number: the order of the line."""

processes = st.integers(0, 1)


class LossMachine(RuleBasedStateMachine):
    """What buyers were told is kept: each answer of either process must fit all that was told before."""

    def __init__(self, store_url: str) -> None:
        super().__init__()
        self.url = store_url
        self.stores = [VirtualStore(store_url, "cactus") for _ in range(2)]
        self.rooms = [self.room_at(store) for store in self.stores]
        self.now_us = BEGIN_US
        self.older: Mapping[str, bytes] = {}
        self.heard = True
        self.all_may_go = False
        self.only_buyers_know = False
        self.released: dict[str, int] = {}
        self.least_beyond = 0.0
        self.devices = 0
        self.places: dict[Spot, tuple[str, Place]] = {}
        self.called_at_s: dict[Spot, float] = {}
        self.waited_at_s: dict[Spot, float] = {}

    @staticmethod
    def room_at(store: VirtualStore) -> Room:
        store.scripts.keep_settings(room_settings(SALE))
        return Room(SALE, store.scripts, KEYRING, poll_budget_per_s=1_000.0)

    def teardown(self) -> None:
        try:
            self.serve_everybody()
        finally:
            for store in self.stores:
                store.close()

    @initialize(line=st.integers(0, 12), all_may_go=st.sampled_from([False, False, False, True]))
    def begin(self, line: int, all_may_go: bool) -> None:
        self.all_may_go = all_may_go
        self.stores[0].empty()
        self.both_refresh(0)
        self.join(0, line)

    # --- what happens

    @rule(process=processes, count=st.integers(1, 3))
    def join(self, process: int, count: int) -> None:
        for _ in range(count):
            self.devices += 1
            token, place = self.do(process, self.rooms[process].join(device(self.devices)))
            spot = place.epoch, place.number
            assert spot not in self.places, "a number was issued twice"
            self.places[spot] = token, place

    @rule(process=processes)
    def refresh(self, process: int) -> None:
        self.do(process, self.rooms[process].move())

    @rule(
        time_us=st.sampled_from([SECOND // 10, SECOND, 5 * SECOND, 61 * SECOND]),
        first=processes,
        ahead=processes,
    )
    def wait(self, time_us: int, first: int, ahead: int) -> None:
        """Let time pass. Before a token comes, both processes refresh: they do so a few times a second. Then one is ahead."""
        self.both_refresh(first)
        self.now_us += time_us
        self.refresh(ahead)

    @rule(process=processes, data=st.data())
    @precondition(lambda self: self.places)
    def claim(self, process: int, data: st.DataObject) -> None:
        self.claim_for(process, data.draw(st.sampled_from(sorted(self.places)), label="place"))

    @rule()
    def save(self) -> None:
        """The store writes its data to disk: it may come back with these."""
        self.older = self.stores[0].save()

    @rule(kept=st.sampled_from(["all", "none", "older"]), enters=st.none() | processes)
    def lose(self, kept: str, enters: int | None) -> None:
        """The store is killed and comes back; what it lost only the processes know, each of them another part perhaps."""
        store = self.stores[0]
        store.lose({"all": store.save, "none": dict, "older": lambda: self.older}[kept]())
        self.heard = False
        if enters is not None:
            self.refresh(enters)

    @rule(process=processes)
    @precondition(lambda self: self.heard)
    def restart(self, process: int) -> None:
        """The process is killed; its successor knows nothing, and serves as soon as it has been at the store."""
        self.replace(process)
        self.refresh(process)

    @rule(kept=st.sampled_from(["none", "older"]))
    @precondition(lambda self: self.all_may_go)
    def lose_everything(self, kept: str) -> None:
        """Nobody but the buyers knows any more who joined, and nobody at all who was called."""
        self.lose(kept, None)
        for process in (0, 1):
            self.replace(process)
        self.only_buyers_know = True

    # --- what must hold after each of them

    @invariant()
    def the_order_is_kept(self) -> None:
        """Who was told "your turn" is never told to wait again, nor is anybody before them."""
        if self.only_buyers_know:
            return
        for room in self.rooms:
            if room.snapshot is None:
                continue
            for spot, (_, place) in self.places.items():
                told = self.waited_at_s
                if room.standing(place).state in {State.RELEASED, State.LATE}:
                    self.was_called(spot, room.snapshot.at_s)
                else:
                    told[spot] = max(told.get(spot, 0.0), room.snapshot.at_s)
        latest_s, at = 0.0, (0, 0)
        for spot in sorted(self.places):
            if self.waited_at_s.get(spot, 0.0) > latest_s:
                latest_s, at = self.waited_at_s[spot], spot
            called_s = self.called_at_s.get(spot)
            assert called_s is None or latest_s < called_s, (
                f"{spot} was called at {called_s:.3f}, and {at} told to wait at {latest_s:.3f}"
            )

    @invariant()
    def no_more_are_released_than_the_bucket_lets_through(self) -> None:
        """P4, between any two moments: a new epoch brings no tokens, and what is put back was released before."""
        for field, value in self.stores[0].room().items():
            if field.startswith("released:"):
                self.released[field] = max(self.released.get(field, 0), int(float(value)))
        beyond = sum(self.released.values()) - RATE_PER_S * (self.now_us - BEGIN_US) / SECOND
        self.least_beyond = min(self.least_beyond, beyond)
        assert beyond - self.least_beyond <= max(BURST, RATE_PER_S)

    # --- how

    def claim_for(self, process: int, spot: Spot) -> ClaimOutcome:
        token, place = self.places[spot]
        assert self.rooms[process].place(token) == place
        claim = self.do(process, self.rooms[process].claim(place))
        if claim.outcome is not ClaimOutcome.WAITING:
            self.was_called(spot, claim.at_s)
        return claim.outcome

    def was_called(self, spot: Spot, at_s: float) -> None:
        self.called_at_s[spot] = min(self.called_at_s.get(spot, at_s), at_s)

    def both_refresh(self, first: int) -> None:
        # Twice: the first call may find a new epoch, the second one tells what is missing there.
        for process in (first, 1 - first) * 2:
            self.refresh(process)
        self.heard = True

    def replace(self, process: int) -> None:
        self.stores[process].close()
        self.stores[process] = VirtualStore(self.url, "cactus")
        self.rooms[process] = self.room_at(self.stores[process])

    def serve_everybody(self) -> None:
        """No place is lost: once all have shown theirs, all get in, and soon."""
        for token, place in self.places.values():
            assert self.rooms[0].place(token) == place
        self.wait(0, 0, 0)
        self.wait(61 * SECOND, 0, 0)
        for _ in range(len(self.places) // RATE_PER_S + 2):
            self.wait(SECOND, 0, 0)
        self.the_order_is_kept()
        for spot in self.places:
            assert self.claim_for(0, spot) in {ClaimOutcome.ADMITTED, ClaimOutcome.AGAIN}, spot

    def do(self, process: int, work: Awaitable[Value]) -> Value:
        self.now_us += CALL_US
        self.stores[process].set_clock(self.now_us)
        return self.stores[process].do(work)


@pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.slow)])
def test_whatever_a_store_loses_the_line_stays_as_it_was_told(store_url: str, examples: int) -> None:
    run_state_machine_as_test(
        cast("type[LossMachine]", lambda: LossMachine(store_url)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
