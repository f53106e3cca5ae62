"""What buyers are told of their wait while a store that has lost its data is being put in order."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rulebook import Onsale
from tests.waitingroom.samples import KEYRING, device, onsale, quiet_snapshot
from tests.waitingroom.virtual_store import SECOND, VirtualStore
from waitingroom.calibration import Calibration, Probe, learn
from waitingroom.eta import Range
from waitingroom.forecaster import Forecaster
from waitingroom.pace import Terms
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.slowdown import Cause
from waitingroom.snapshot import Line

BEGIN_US = 1_700_000_000 * SECOND
EVERY_US = SECOND // 2
WAITING = 900


class Sale:
    """Two processes' rooms of one sale with far more room in the shop than buyers, over a store whose clock is ours."""

    def __init__(self, store_url: str, document: Onsale) -> None:
        self.stores = [VirtualStore(store_url, "cactus") for _ in range(2)]
        self.rooms = []
        for store in self.stores:
            store.scripts.keep_settings(room_settings(document))
            self.rooms.append(Room(document, store.scripts, KEYRING, poll_budget_per_s=1_000.0))
        self.now_us = BEGIN_US
        self.stores[0].empty()
        for _ in self.rooms:
            self.go_on(0, *self.rooms)
        for number in range(WAITING):
            self.stores[0].do(self.rooms[0].join(device(number)))

    def go_on(self, seconds: float, *rooms: Room) -> None:
        """Let time pass in which `rooms` alone take copies; one copy if no time passes."""
        until_us = self.now_us + int(seconds * SECOND)
        while True:
            self.now_us += EVERY_US
            self.stores[0].set_clock(self.now_us)
            for room in rooms:
                self.stores[self.rooms.index(room)].do(room.refresh())
            if self.now_us >= until_us:
                return

    def lose_all(self) -> None:
        """Lose the store's data; the other process is seen once more, and ends before it has told its sessions."""
        self.stores[0].lose({})
        self.go_on(0, self.rooms[1])

    def first_told(self) -> Range:
        told = self.rooms[0].eta.range_s(0)
        assert told is not None
        return told

    def cause(self) -> Cause | None:
        slowdown = self.rooms[0].eta.slowdown
        return None if slowdown is None else slowdown.cause

    def released(self) -> int:
        snapshot = self.rooms[0].snapshot
        assert snapshot is not None
        return snapshot.released

    def waits_s(self) -> float:
        """Go on until somebody is released; return how long that took."""
        released, since_us = self.released(), self.now_us
        while self.released() == released:
            self.go_on(0, self.rooms[0])
            assert self.now_us - since_us < 120 * SECOND
        return (self.now_us - since_us) / SECOND


@pytest.fixture(params=["", "4/s"], ids=["without a fallback", "with a fallback rate"])
def sale(request: pytest.FixtureRequest, store_url: str) -> Iterator[Sale]:
    admission = {"rate": "10/s", "burst": 10, "claimWithin": "1h", "capacity": 5_000}
    if request.param:
        admission["fallbackRate"] = request.param
    sale = Sale(store_url, onsale(admission=admission))
    sale.go_on(30, *sale.rooms)
    assert sale.cause() is None
    yield sale
    for store in sale.stores:
        store.close()


def test_a_bucket_that_fills_while_the_line_is_put_in_order_is_no_full_shop(sale: Sale) -> None:
    sale.lose_all()
    causes = set()
    for _ in range(10):
        sale.go_on(5, sale.rooms[0])
        causes.add(sale.cause())
    assert causes == {Cause.RECOVERING}
    sale.waits_s()
    sale.go_on(5, sale.rooms[0])
    assert sale.cause() is not Cause.SHOP_FULL


@pytest.mark.parametrize("after_s", [5, 30])
def test_the_range_holds_the_time_for_which_nobody_is_released(sale: Sale, after_s: int) -> None:
    sale.lose_all()
    sale.go_on(after_s, sale.rooms[0])
    low, high = sale.first_told()
    assert low <= sale.waits_s() <= high
    assert high <= 90.0


def test_a_standstill_teaches_nothing_of_the_pace(sale: Sale) -> None:
    sale.lose_all()
    sale.go_on(30, sale.rooms[0])
    sale.waits_s()
    # The fallback rate counts for a minute after the loss, which is over by now.
    sale.go_on(70, sale.rooms[0])
    low, high = sale.first_told()
    assert low == 0.0
    assert high <= 5.0
    assert sale.cause() is None


def test_ranges_told_before_the_loss_are_given_up_and_count_as_no_misses() -> None:
    probe = Probe(at_s=990.0, mark=1.0, low_s=0.0, high_s=5.0, distance=0)
    line = Line(epoch=1, tail=100, released=0, settled=0)
    standing_still = quiet_snapshot(lines=(line,), recovers_within_s=50.0)
    eta = Forecaster(Terms(ceiling_per_s=1.0, session_length_s=60.0)).see(standing_still)
    assert eta.knots
    learned = learn(Calibration((probe,), asked_at_s=990.0), standing_still, eta)
    assert learned.probes == ()
    released = replace(
        standing_still, at_s=1_060.0, lines=(replace(line, released=5),), recovers_within_s=0.0
    )
    assert learn(learned, released, eta).above == Calibration().above
