"""The scaler speaks to every kind of store that the room speaks to: Sentinel, Cluster, TLS, and users with few rights."""

import asyncio
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from autoscaler.admission import AdmissionTarget
from autoscaler.errors import StoreUnavailable
from autoscaler.keeping.keeper import MemoryKey
from autoscaler.store.connection import StoreClient, open_client
from autoscaler.store.figures import FigureReader
from autoscaler.store.memories import StoreMemories
from autoscaler.store.target_writer import TargetWriter
from rulebook.coupling import targets_key
from tests.certificates import make_certificate
from tests.ports import free_ports
from tests.relays import listening, relay_to
from tests.segments import TargetSegment
from tests.stores import Cluster, SentinelServer, TcpValkey, eventually
from tests.waitingroom.failovers import WITHIN_S
from tests.waitingroom.test_store_users import IN_CLUSTER, RIGHTS, USER

WEB = MemoryKey("web", ("apps", "Deployment", "shop", "web"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[TcpValkey]:
    server = TcpValkey(folder / "valkey", *free_ports(1))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def target(onsale: str, term: int = 0) -> AdmissionTarget:
    return AdmissionTarget(onsale, "web", 10.0, 600, "2 ready", 45.0, term)


async def do_all(client: StoreClient, onsale: str = "cactus", text: str = "text") -> None:
    """Do once all that a scaler does with a store."""
    assert (await TargetWriter(client).write(target(onsale))).accepted
    assert (await FigureReader(client).read(onsale)).figures is None
    memories = StoreMemories(client)
    assert await memories.save({WEB: text}, term=0) == {}
    found = await memories.load(WEB)
    assert found is not None
    assert found.text == text


async def test_a_cluster_serves_onsales_and_memories_wherever_they_lie(folder: Path) -> None:
    cluster = Cluster(folder, replicas=False)
    try:
        cluster.start()
        async with aclosing(open_client(cluster.url())) as client:
            for number in range(6):
                await do_all(client, f"sale{number}", f"text {number}")
            for number in range(6):
                assert cluster.owner(f"sale{number}").holds(targets_key(f"sale{number}"))
            segment = TargetSegment.from_json(await client.lindex(targets_key("sale0"), -1))
            assert segment.rate_per_s == 10.0
            cluster.owner("sale1").kill()
            with pytest.raises(StoreUnavailable):
                await TargetWriter(client).write(target("sale1"))
            elsewhere = next(
                f"sale{number}"
                for number in range(6)
                if cluster.owner(f"sale{number}") is not cluster.owner("sale1")
            )
            assert (await TargetWriter(client).write(target(elsewhere))).accepted
    finally:
        cluster.stop()


async def test_a_cluster_out_of_reach_is_an_unavailable_store() -> None:
    (port,) = free_ports(1)
    async with aclosing(open_client(f"redis+cluster://u:hush@127.0.0.1:{port}")) as client:
        with pytest.raises(StoreUnavailable) as refused:
            await StoreMemories(client).load(WEB)
    assert "hush" not in str(refused.value)


async def test_the_guides_user_may_do_all_that_a_scaler_does(folder: Path, server: TcpValkey) -> None:
    server.ask("ACL", "SETUSER", "tidegate", *RIGHTS.split())
    async with aclosing(open_client(f"redis://{USER}{server.address}")) as client:
        await do_all(client)
    assert server.ask("ACL", "LOG") == []
    cluster = Cluster(folder, replicas=False)
    try:
        cluster.start()
        for node in cluster.nodes:
            node.ask("ACL", "SETUSER", "tidegate", *RIGHTS.split(), *IN_CLUSTER.split())
        async with aclosing(open_client(cluster.url(user=USER))) as client:
            await do_all(client)
    finally:
        cluster.stop()


async def test_tls_is_spoken_to_a_server_whose_certificate_is_known_and_to_no_other(
    folder: Path, server: TcpValkey
) -> None:
    certificate, other = make_certificate(folder, "ours"), make_certificate(folder, "theirs")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with listening(relay_to(lambda: server.port), context) as port:
        async with aclosing(open_client(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}")) as client:
            await do_all(client)
        async with aclosing(open_client(f"rediss://u:hush@127.0.0.1:{port}?ssl_ca_certs={other}")) as client:
            with pytest.raises(StoreUnavailable, match=r"(?i)certificate") as refused:
                await StoreMemories(client).load(WEB)
    assert "hush" not in str(refused.value)


async def test_a_script_cache_that_was_emptied_is_filled_again(server: TcpValkey) -> None:
    async with aclosing(open_client(f"redis://{server.address}")) as client:
        await do_all(client, text="before")
        server.ask("SCRIPT", "FLUSH")
        await do_all(client, text="after")


@pytest.mark.failover
async def test_after_a_failover_the_scaler_goes_on_at_the_new_master(folder: Path) -> None:
    ports = free_ports(5)
    master = TcpValkey(folder / "master", ports[0], **{"repl-diskless-sync-delay": "0"})
    replica = TcpValkey(folder / "replica", ports[1], replicaof=f"127.0.0.1 {ports[0]}")
    sentinels = [SentinelServer(folder / f"sentinel{port}", port, master, "tide") for port in ports[2:]]
    hosts = ",".join(sentinel.address for sentinel in sentinels)
    try:
        master.start()
        replica.start()
        eventually(lambda: replica.shows("master_link_status", "up"), WITHIN_S)
        for sentinel in sentinels:
            sentinel.start()
        for sentinel in sentinels:
            eventually(lambda sentinel=sentinel: _knows_all(sentinel), WITHIN_S)
        async with aclosing(open_client(f"redis+sentinel://{hosts}/tide/0")) as client:
            await do_all(client, text="before")
            eventually(lambda: replica.ask("DBSIZE") == 2, WITHIN_S)
            master.kill()
            memories, deadline_s = StoreMemories(client), time.monotonic() + WITHIN_S
            while True:
                try:
                    assert await memories.save({WEB: "after"}, term=0) == {}
                    break
                except StoreUnavailable:
                    assert time.monotonic() < deadline_s
                    await asyncio.sleep(0.1)
            await do_all(client, text="after")
            assert replica.shows("role", "master")
    finally:
        for server in (*sentinels, replica, master):
            server.stop()


def _knows_all(sentinel: SentinelServer) -> bool:
    told = sentinel.ask("SENTINEL", "MASTER", "tide")
    return (int(told["num-slaves"]), int(told["num-other-sentinels"])) == (1, 2)
