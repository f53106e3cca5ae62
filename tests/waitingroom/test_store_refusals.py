"""What a server refuses is an unavailable store, never a wrong answer; and whoever takes over is found by the next call."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.relays import Handler, listening, relay_to
from tests.stores import TcpValkey, eventually
from tests.waitingroom.samples import device, settings
from waitingroom.errors import StoreUnavailable
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect


@pytest.fixture
def pair() -> Iterator[tuple[TcpValkey, TcpValkey]]:
    """A master and its replica."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        first, second = free_ports(2)
        now = {"repl-diskless-sync-delay": "0"}
        master = TcpValkey(Path(folder) / "master", first, **now)
        replica = TcpValkey(Path(folder) / "replica", second, replicaof=f"127.0.0.1 {first}", **now)
        try:
            master.start()
            replica.start()
            eventually(lambda: replica.shows("master_link_status", "up"))
            yield master, replica
        finally:
            replica.stop()
            master.stop()


def always(answer: str) -> Handler:
    """Greet as any other server, and then answer every command alike."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            writer.write(b"+OK\r\n" if words[0] == b"CLIENT" else f"{answer}\r\n".encode())

    return serve


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster", "redis+sentinel"])
@pytest.mark.parametrize(
    "answer",
    [
        "-READONLY You can't write against a read only replica.",
        "-LOADING Valkey is loading the dataset in memory",
        "-MASTERDOWN Link with MASTER is down",
        "-CLUSTERDOWN Hash slot not served",
        "-TRYAGAIN Multiple keys request during rehashing of slot",
        "-NOREPLICAS Not enough good replicas to write.",
        "-MISCONF Errors writing to the AOF file",
        "-OOM command not allowed when used memory > 'maxmemory'.",
        "-BUSY Valkey is busy running a script.",
        "-NOAUTH Authentication required.",
        "-NOPERM User has no permissions",
        "-MOVED 1 127.0.0.1:1",
        "-ERR This instance has cluster support disabled",
    ],
    ids=lambda answer: answer.partition(" ")[0],
)
async def test_whatever_a_server_refuses_with_is_an_unavailable_store(answer: str, scheme: str) -> None:
    master = "/tide" if scheme.endswith("sentinel") else ""
    async with listening(always(answer)) as port:
        url = f"{scheme}://127.0.0.1:{port}{master}?protocol=2"
        async with aclosing(connect(url, timeout_s=1)) as client:
            store = OnsaleStore(client, "cactus", settings())
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.join([device(1)])


async def test_no_script_is_loaded_where_entering_was_refused(pair: tuple[TcpValkey, TcpValkey]) -> None:
    master, replica = pair
    async with aclosing(connect(f"redis://{master.address}")) as client:
        (before,) = await OnsaleStore(client, "cactus", settings()).join([device(1)])
    eventually(lambda: replica.holds("{cactus}:room"))
    async with aclosing(connect(f"redis://{replica.address}")) as client:
        store = OnsaleStore(client, "cactus", settings())
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.join([device(1)])
        assert replica.ask("INFO", "memory")["number_of_cached_scripts"] == 0
        replica.ask("REPLICAOF", "NO", "ONE")
        (after,) = await store.join([device(2)])
        assert after.epoch > before.epoch


async def test_a_replica_answers_nothing_even_where_nothing_would_be_written(
    pair: tuple[TcpValkey, TcpValkey],
) -> None:
    master, replica = pair
    async with aclosing(connect(f"redis://{master.address}")) as client:
        store = OnsaleStore(client, "cactus", settings())
        await store.join([device(1)])
        replica.ask("REPLICAOF", "NO", "ONE")
        master.ask("REPLICAOF", "127.0.0.1", replica.port)
        eventually(lambda: master.shows("master_link_status", "up"))
        with pytest.raises(StoreUnavailable):
            await store.join([device(1)])


async def test_one_name_for_whoever_is_master_is_asked_again_after_a_demotion(
    pair: tuple[TcpValkey, TcpValkey],
) -> None:
    master, replica = pair
    present = master

    async with (
        listening(relay_to(lambda: present.port)) as port,
        aclosing(connect(f"redis://127.0.0.1:{port}")) as client,
    ):
        store = OnsaleStore(client, "cactus", settings())
        (before,) = await store.join([device(1)])
        eventually(lambda: replica.holds("{cactus}:room"))
        replica.ask("REPLICAOF", "NO", "ONE")
        master.ask("REPLICAOF", "127.0.0.1", replica.port)
        present = replica
        # The connection to the former master is still there.
        (after,) = await store.join([device(2)])
        assert after.epoch > before.epoch


async def test_a_master_without_enough_replicas_gives_no_number_until_it_has_them(
    pair: tuple[TcpValkey, TcpValkey],
) -> None:
    master, _ = pair
    async with aclosing(connect(f"redis://{master.address}")) as client:
        store = OnsaleStore(client, "cactus", settings())
        (before,) = await store.join([device(1)])
        master.ask("CONFIG", "SET", "min-replicas-to-write", "2")
        with pytest.raises(StoreUnavailable, match=r"NOREPLICAS|good replicas"):
            await store.join([device(2)])
        master.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        (after,) = await store.join([device(2)])
        assert (after.epoch, after.number) == (before.epoch, 2)


async def test_a_server_that_is_gone_is_found_again_on_its_return(pair: tuple[TcpValkey, TcpValkey]) -> None:
    master, _ = pair
    async with aclosing(connect(f"redis://{master.address}")) as client:
        store = OnsaleStore(client, "cactus", settings())
        (before,) = await store.join([device(1)])
        master.kill()
        with pytest.raises(StoreUnavailable):
            await store.join([device(2)])
        master.start()
        (after,) = await store.join([device(2)])
        assert after.epoch > before.epoch
