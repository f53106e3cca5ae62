"""A session's hard end counts from the first claim: neither claiming again, nor renewals, nor a loss of data move it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from yarl import URL

from tests.waitingroom.living import living
from tests.waitingroom.samples import device, onsale, settings
from tests.waitingroom.virtual_store import SECOND, VirtualStore
from waitingroom.keyfiles import load_keyring
from waitingroom.passes import Pass, verify_pass
from waitingroom.store.client import Claim, ClaimOutcome, SessionTimes

NOW_S = 1_700_000_000
LENGTH_S, LONGEST_S = 60, 300
HARD_END_S = NOW_S + LONGEST_S


class Stay:
    """One buyer's stay in the shop; `at` sets the store's clock, in seconds since the first claim."""

    def __init__(self, store: VirtualStore) -> None:
        self.store = store
        store.empty()
        store.set_clock((NOW_S - 1) * SECOND)
        store.do(store.scripts.configure(settings()))
        store.do(store.scripts.join([device(1)]))
        self.at(0)
        self.epoch = store.do(store.scripts.advance()).epoch

    def at(self, second: float) -> None:
        self.store.set_clock(int((NOW_S + second) * SECOND))

    def claim(self) -> Claim:
        return self.store.do(self.store.scripts.claim(self.epoch, 1, "session", LENGTH_S, LONGEST_S))

    def renew(self, expires_s: float, ends_s: float = HARD_END_S) -> bool:
        return self.store.do(self.store.scripts.renew({"session": SessionTimes(expires_s, ends_s)}))[
            "session"
        ]

    def kept(self) -> set[str]:
        """Name the keys in the store."""
        return set(self.store.do(self.store.client.keys("*")))


@pytest.fixture
def stay(store_url: str) -> Iterator[Stay]:
    store = VirtualStore(store_url, "cactus")
    yield Stay(store)
    store.close()


def test_claiming_again_tells_the_same_hard_end(stay: Stay) -> None:
    first = stay.claim()
    assert (first.outcome, first.ends_at_s) == (ClaimOutcome.ADMITTED, HARD_END_S)
    for second in (30, 80, 130, 180, 230, 280):
        stay.at(second)
        again = stay.claim()
        assert (again.outcome, again.ends_at_s) == (ClaimOutcome.AGAIN, HARD_END_S)
        assert stay.renew(NOW_S + second + LENGTH_S)
    stay.at(LONGEST_S)
    assert stay.claim().outcome is ClaimOutcome.ENDED


def test_no_renewal_goes_beyond_the_hard_end(stay: Stay) -> None:
    stay.claim()
    assert stay.renew(HARD_END_S + 1_000, HARD_END_S + 1_000)
    assert stay.claim().expires_at_s == HARD_END_S
    stay.at(LONGEST_S)
    assert not stay.renew(HARD_END_S + 1_000, HARD_END_S + 1_000)
    assert stay.store.do(stay.store.scripts.advance()).sessions == 0


def test_a_restored_session_keeps_its_hard_end(stay: Stay) -> None:
    stay.claim()
    stay.store.do(stay.store.client.delete("{cactus}:sessions", "{cactus}:hardends"))
    stay.at(20)
    restored = {"session": SessionTimes(NOW_S + 500, HARD_END_S)}
    stay.store.do(stay.store.scripts.restore(restored))
    again = stay.claim()
    assert (again.outcome, again.expires_at_s, again.ends_at_s) == (
        ClaimOutcome.AGAIN,
        HARD_END_S,
        HARD_END_S,
    )


def test_a_renewal_puts_back_a_session_that_the_store_never_knew(stay: Stay) -> None:
    stay.claim()
    stay.store.do(stay.store.client.delete("{cactus}:sessions", "{cactus}:hardends"))
    stay.at(200)
    assert stay.renew(NOW_S + 250)
    assert stay.claim().outcome is ClaimOutcome.AGAIN


@pytest.mark.parametrize(("after_loss_s", "goes_on"), [(59, True), (60, False)])
def test_a_renewal_soon_after_a_loss_puts_back_a_session_whose_renewals_were_lost(
    stay: Stay, after_loss_s: int, goes_on: bool
) -> None:
    stay.claim()
    stay.store.do(stay.store.client.hset("{cactus}:room", "lost_us", str((NOW_S + 100) * SECOND)))
    stay.at(100 + after_loss_s)
    assert stay.renew(NOW_S + 200) is goes_on
    assert stay.claim().outcome is (ClaimOutcome.AGAIN if goes_on else ClaimOutcome.ENDED)


@pytest.mark.parametrize("puts_back", ["renewal", "restore"])
def test_a_session_that_somebody_has_ended_is_not_put_back(stay: Stay, puts_back: str) -> None:
    stay.claim()
    stay.store.do(stay.store.client.hset("{cactus}:room", "lost_us", str(NOW_S * SECOND)))
    stay.at(10)
    assert stay.store.do(stay.store.scripts.end(["session"]))["session"]
    stay.at(20)
    if puts_back == "renewal":
        assert not stay.renew(NOW_S + 100)
    else:
        stay.store.do(stay.store.scripts.restore({"session": SessionTimes(NOW_S + 100, HARD_END_S)}))
    assert stay.claim().outcome is ClaimOutcome.ENDED
    assert stay.store.do(stay.store.scripts.advance()).sessions == 0


@pytest.mark.parametrize("ends", ["hard end", "complete"])
def test_nothing_is_kept_of_a_session_that_is_over(stay: Stay, ends: str) -> None:
    stay.claim()
    assert "{cactus}:hardends" in stay.kept()
    if ends == "complete":
        stay.store.do(stay.store.scripts.end(["session"]))
    else:
        stay.at(LONGEST_S + 1)
        stay.store.do(stay.store.scripts.advance())
    assert not stay.kept() & {"{cactus}:hardends", "{cactus}:sessions"}


async def test_entering_again_prolongs_no_pass(tmp_path: Path, store_url: str, client: Redis) -> None:
    document = onsale(
        shop="http://127.0.0.1:3000/cactus",
        admission={"rate": "200/s", "burst": 50, "claimWithin": "30s"},
        session={"length": "60s", "max": "90s"},
    )
    async with living(tmp_path, store_url, document) as here, here.buyer() as buyer:

        async def enter() -> tuple[int, Pass]:
            async with buyer.post(f"{here.room}/cactus/enter") as entered:
                status = entered.status
            if status != 200:
                return status, first
            cookie = buyer.cookie_jar.filter_cookies(URL(here.room))["tidegate_pass_cactus"]
            return status, verify_pass(cookie.value, "cactus", load_keyring(tmp_path / "keys", ["cactus"]))

        async with buyer.post(f"{here.room}/cactus/join") as joined:
            assert joined.status == 200
        first = Pass("", "", "", 0, 0, 0)
        async with asyncio.timeout(30):
            status, first = await enter()
            while status != 200:
                await asyncio.sleep(0.05)
                status, first = await enter()
        assert first.ends_at_s - first.issued_at_s == 90
        # The room is told that most of the stay has gone by: as the store sees it, the buyer came 70 s ago.
        hard_end_us = int((time.time() + 20) * SECOND)
        await client.zadd("{cactus}:hardends", {first.session: hard_end_us})
        _, again = await enter()
        assert again.session == first.session
        assert again.ends_at_s <= hard_end_us / SECOND + 1
        assert again.expires_at_s <= again.ends_at_s
