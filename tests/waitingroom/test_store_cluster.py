"""An onsale lives on one server of a cluster: others don't disturb it, and a replica goes on where its master was killed."""

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from rulebook import Onsale
from tests.stores import Cluster
from tests.waitingroom.failovers import Sale, eventually
from tests.waitingroom.samples import device, onsale, settings
from waitingroom.errors import StoreUnavailable
from waitingroom.store.client import ClaimOutcome, OnsaleStore, SessionTimes
from waitingroom.store.connect import StoreClient, connect

# Who was released stays so for as long as a failover may take on a busy machine.
SHOP = {"rate": "50/s", "burst": 5, "claimWithin": "2h"}


@pytest.fixture(scope="module")
def masters() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        cluster = Cluster(Path(folder), replicas=False)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def replicated() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        cluster = Cluster(Path(folder), replicas=True)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
async def client(masters: Cluster) -> AsyncIterator[StoreClient]:
    async with aclosing(connect(masters.url())) as client:
        yield client


def two_apart(cluster: Cluster) -> tuple[Onsale, Onsale]:
    """Return onsales which live on different masters, the second not on the first node."""
    names = [f"cactus{number}" for number in range(20)]
    first = names[0]
    second = next(
        name for name in names if cluster.owner(name) not in (cluster.owner(first), cluster.masters[0])
    )
    return onsale(first, admission=SHOP), onsale(second, admission=SHOP)


async def test_joins_releases_and_claims_work_wherever_the_onsale_lives(
    masters: Cluster, client: StoreClient
) -> None:
    for name in (f"sale{number}" for number in range(9)):
        store = OnsaleStore(client, name, settings(rate="1000.0"))
        places = await store.join([device(number) for number in range(5)])
        assert [place.number for place in places] == [1, 2, 3, 4, 5]
        released = 0
        while released < 5:
            released = (await store.advance()).released
        claim = await store.claim(places[0].epoch, 1, "session", 60, 300)
        assert claim.outcome is ClaimOutcome.ADMITTED
        assert await store.renew({"session": SessionTimes(claim.expires_at_s + 1, claim.ends_at_s)}) == {
            "session": True
        }
        assert await store.end(["session"]) == {"session": True}
        assert masters.owner(name).holds(f"{{{name}}}:room")
    assert len({masters.owner(f"sale{number}") for number in range(9)}) == 3


async def test_a_slot_that_moves_is_followed_and_begins_an_epoch_on_its_new_server(
    masters: Cluster, client: StoreClient
) -> None:
    name = "nomad"
    origin = masters.owner(name)
    if not any("MIGRATESLOTS" in line for line in origin.ask("CLUSTER", "HELP")):
        pytest.skip("this server cannot move a slot as a whole, as Valkey 9 does")
    slot = origin.ask("CLUSTER", "KEYSLOT", f"{{{name}}}:room")
    goal = next(node for node in masters.masters if node is not origin)
    store = OnsaleStore(client, name, settings())
    (before,) = await store.join([device(1)])
    for newcomer, source, target in ((2, origin, goal), (3, goal, origin)):
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.ask("CLUSTER", "MYID"))
        await eventually(lambda target=target: target.holds(f"{{{name}}}:room"))
        (after,) = await store.join([device(newcomer)])
        assert after.epoch > before.epoch
        assert [line.epoch for line in (await store.advance()).lines][-2:] == [before.epoch, after.epoch]
        before = after


async def test_a_cluster_that_is_away_is_an_unavailable_store_until_it_is_back() -> None:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        cluster = Cluster(Path(folder), replicas=False)
        client = connect(cluster.url())
        store = OnsaleStore(client, "cactus", settings())
        with pytest.raises(StoreUnavailable):
            await store.join([device(1)])
        try:
            cluster.start()
            (place,) = await store.join([device(1)])
            assert place.number == 1
            for node in cluster.nodes:
                node.kill()
            with pytest.raises(StoreUnavailable):
                await store.join([device(2)])
        finally:
            cluster.stop()


async def test_a_cluster_whose_slots_are_dealt_to_nobody_is_an_unavailable_store(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, replicas=False)
    try:
        for node in cluster.nodes:
            node.start()
        async with aclosing(connect(cluster.url())) as client:
            store = OnsaleStore(client, "cactus", settings())
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.join([device(1)])
            cluster.nodes[0].ask("CLUSTER", "ADDSLOTSRANGE", 0, 100)
            with pytest.raises(StoreUnavailable):
                await store.join([device(1)])
            cluster.nodes[0].ask("CLUSTER", "ADDSLOTSRANGE", 101, 16383)
            deadline = time.monotonic() + 30
            while True:
                try:
                    await store.join([device(1)])
                    break
                except StoreUnavailable:
                    assert time.monotonic() < deadline
    finally:
        cluster.stop()


@pytest.mark.slow
async def test_the_line_goes_on_after_its_master_was_killed_and_others_hear_nothing_of_it(
    replicated: Cluster,
) -> None:
    stays, fails = two_apart(replicated)
    async with Sale(replicated.url(), stays) as quiet, Sale(replicated.url(), fails) as sale:
        await eventually(lambda: len(sale.places) >= 60 and sale.released >= 10 and quiet.released >= 10)
        told = sale.told()
        replicated.owner(fails.name).kill()
        await sale.recover(time.monotonic())
        assert sale.unavailable
        assert len(sale.epochs) == 2
        assert len(quiet.epochs) == 1
        assert not quiet.unavailable
        await sale.check(told)
        await quiet.check([])


@pytest.mark.slow
async def test_a_former_master_that_comes_back_into_office_begins_an_epoch_of_its_own(
    replicated: Cluster,
) -> None:
    document = onsale(admission=SHOP)
    master = replicated.owner(document.name)
    replica = replicated.replica_of(master)
    async with Sale(replicated.url(), document) as sale:
        await eventually(lambda: len(sale.places) >= 20 and sale.released >= 5)
        told = sale.told()
        # Neither is ever stopped, so the master has our scripts still when it is back: those of the first epoch.
        for goal, other in ((replica, master), (master, replica)):
            epochs = len(sale.epochs)
            await eventually(lambda goal=goal, other=other: replicated.agrees_on(goal, other))
            goal.ask("CLUSTER", "FAILOVER")
            await eventually(lambda epochs=epochs: len(sale.epochs) > epochs)
            await eventually(lambda goal=goal: goal.shows("role", "master"))
            await eventually(lambda other=other: other.shows("master_link_status", "up"))
        assert len(sale.epochs) == 3
        await sale.check(told)
