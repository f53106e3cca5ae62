"""P8 under Sentinel: the master is killed in the middle of an onsale, and the replica goes on with the line."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.stores import SentinelServer, TcpValkey, eventually
from tests.waitingroom.failovers import WITHIN_S, Sale
from tests.waitingroom.failovers import eventually as soon
from tests.waitingroom.samples import onsale

pytestmark = pytest.mark.failover

# Who was released stays so for as long as a failover may take on a busy machine.
SHOP = {"rate": "50/s", "burst": 5, "claimWithin": "2h"}


class Guarded:
    """One master, one replica, three Sentinels."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(5)
        self.master = TcpValkey(folder / "master", ports[0], **{"repl-diskless-sync-delay": "0"})
        self.replica = TcpValkey(folder / "replica", ports[1], replicaof=f"127.0.0.1 {ports[0]}")
        self.sentinels = [
            SentinelServer(folder / f"sentinel{port}", port, self.master, "tide") for port in ports[2:]
        ]

    @property
    def url(self) -> str:
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/tide/0"

    def start(self) -> None:
        self.master.start()
        self.replica.start()
        eventually(lambda: self.replica.shows("master_link_status", "up"), WITHIN_S)
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            eventually(lambda sentinel=sentinel: self._knows_all(sentinel), WITHIN_S)

    @staticmethod
    def _knows_all(sentinel: SentinelServer) -> bool:
        master = sentinel.ask("SENTINEL", "MASTER", "tide")
        return (int(master["num-slaves"]), int(master["num-other-sentinels"])) == (1, 2)

    def stop(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.stop()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        servers = Guarded(Path(folder))
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()


async def test_the_line_goes_on_after_the_master_was_killed(guarded: Guarded) -> None:
    async with Sale(guarded.url, onsale(admission=SHOP)) as sale:
        await soon(lambda: len(sale.places) >= 60 and sale.released >= 10)
        told = sale.told()
        guarded.master.kill()
        await sale.recover(time.monotonic())
        assert sale.unavailable
        assert len(sale.epochs) >= 2
        await sale.check(told)


async def test_a_former_master_that_comes_back_into_office_begins_an_epoch_of_its_own(
    guarded: Guarded,
) -> None:
    async with Sale(guarded.url, onsale(admission=SHOP)) as sale:
        await soon(lambda: len(sale.places) >= 20 and sale.released >= 5)
        told = sale.told()
        await _hand_over(guarded, sale, to=guarded.replica)
        # It was never stopped, so it has our scripts still: those of the first epoch.
        await _hand_over(guarded, sale, to=guarded.master)
        assert len(sale.epochs) >= 3
        await sale.check(told, one_master=False)


async def _hand_over(guarded: Guarded, sale: Sale, to: TcpValkey) -> None:
    """Have the Sentinels put another server into office.

    They leave the former one in office as well for some ten seconds more, in which nobody may stay with it.
    """
    epochs = len(sale.epochs)
    other = guarded.master if to is guarded.replica else guarded.replica
    await answered(lambda: guarded.sentinels[0].ask("SENTINEL", "FAILOVER", "tide"))
    await soon(lambda: len(sale.epochs) > epochs)
    await answered(lambda: to.shows("role", "master"))
    await answered(lambda: other.shows("role", "slave") and other.shows("master_link_status", "up"))
    for sentinel in guarded.sentinels:
        await answered(lambda sentinel=sentinel: _settled(sentinel, to))


async def answered(condition: Callable[[], object]) -> None:
    """Ask servers until a condition holds, while the sale goes on; one that refuses or isn't up counts as no."""
    await asyncio.to_thread(eventually, condition, WITHIN_S)


def _settled(sentinel: SentinelServer, master: TcpValkey) -> bool:
    state = sentinel.ask("SENTINEL", "MASTER", "tide")
    replicas = sentinel.ask("SENTINEL", "REPLICAS", "tide")
    return (
        int(state["port"]) == master.port
        and state["flags"] == "master"
        and [replica["flags"] for replica in replicas] == ["slave"]
    )
