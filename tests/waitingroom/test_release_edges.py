"""Corners of the release script at given microseconds: what the model's test has found, each in its smallest form."""

from collections.abc import Iterator

import pytest

from tests.segments import TargetSegment
from tests.waitingroom.samples import device, settings
from tests.waitingroom.virtual_store import SECOND, VirtualStore

NOW_US = 1_700_000_000 * SECOND
HOUR_US = 3600 * SECOND


@pytest.fixture
def store(store_url: str) -> Iterator[VirtualStore]:
    store = VirtualStore(store_url, "cactus")
    store.empty()
    store.set_clock(NOW_US)
    yield store
    store.close()


def target(begins_us: int, rate_per_s: float) -> str:
    return TargetSegment("web", begins_us, begins_us + HOUR_US, rate_per_s, None, "", 0).to_json()


def fill(store: VirtualStore, buyers: int) -> None:
    for start in range(0, buyers, 500):
        store.do(store.scripts.join([device(number) for number in range(start, min(start + 500, buyers))]))


def test_a_late_claim_leaves_targets_which_have_not_begun_as_they_are(store: VirtualStore) -> None:
    store.do(store.scripts.configure(settings()))
    fill(store, 1)
    store.set_clock(NOW_US + SECOND)
    epoch = store.do(store.scripts.advance()).epoch
    targets = [target(NOW_US, 0.0), target(NOW_US + HOUR_US, 5.0)]
    for text in targets:
        store.append_target(text)
    store.set_clock(NOW_US + 60 * SECOND)
    for _ in range(3):
        store.do(store.scripts.claim(epoch, 1, "session", 60, 300))
        assert store.read(NOW_US)["targets"] == targets


def test_a_lower_rate_shrinks_the_bucket_from_the_very_moment_at_which_it_begins(store: VirtualStore) -> None:
    store.do(store.scripts.configure(settings(rate="100", burst="5")))
    fill(store, 200)
    store.append_target(target(NOW_US + 60 * SECOND, 1.0))
    store.set_clock(NOW_US + 60 * SECOND)
    assert store.do(store.scripts.advance()).released == 5


def test_nobody_new_is_released_while_a_late_buyer_waits(store: VirtualStore) -> None:
    """More late buyers than the script serves in one call."""
    late = 1_100
    store.do(store.scripts.configure(settings(rate="1500", burst="1500")))
    fill(store, late)
    store.set_clock(NOW_US + SECOND)
    epoch = store.do(store.scripts.advance()).epoch
    assert store.read(NOW_US)["released"] == late
    store.set_clock(NOW_US + 60 * SECOND)
    store.do(store.scripts.configure(settings(rate="1500", burst="1500", hold="for a moment")))
    fill(store, late + 500)
    for position in range(1, late + 1):
        store.do(store.scripts.claim(epoch, position, f"session-{position}", 60, 300))
    store.do(store.scripts.configure(settings(rate="1500", burst="1500", hold="")))
    store.set_clock(NOW_US + 120 * SECOND)
    store.do(store.scripts.advance())
    known = store.read(NOW_US)
    assert known["late"] == [] or known["released"] == late
