"""The user which the guide describes may do what room and scaler need, and nothing else."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from importlib import resources
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError

from tests.ports import free_ports
from tests.stores import Cluster, TcpValkey
from tests.waitingroom.failovers import sell
from tests.waitingroom.samples import device, settings
from waitingroom.audit import Action
from waitingroom.errors import StoreUnavailable
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect
from waitingroom.store.operations import OnsaleOperations

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "store.md"
(RIGHTS,) = re.findall(r"^user tidegate (.*)$", GUIDE.read_text(), re.MULTILINE)
IN_CLUSTER = "+cluster|slots +command"
USER = "tidegate:a-long-secret@"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[TcpValkey]:
    server = TcpValkey(folder / "valkey", *free_ports(1))
    server.start()
    try:
        server.ask("ACL", "SETUSER", "tidegate", *RIGHTS.split())
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("package", ["waitingroom.store", "autoscaler.store"])
def test_the_guide_grants_every_command_that_a_script_calls(package: str) -> None:
    granted = set(re.findall(r"\+([a-z|]+)", RIGHTS))
    files = [*resources.files(package).iterdir()]
    if package == "waitingroom.store":
        files += (resources.files(package) / "scripts").iterdir()
    texts = [file.read_text() for file in files if file.name.endswith(".lua")]
    called = {command.lower() for text in texts for command in re.findall(r"redis.p?call\('(\w+)'", text)}
    assert called
    assert called - granted == set()


async def test_the_guides_user_can_run_a_sale_and_its_back_office(server: TcpValkey) -> None:
    async with aclosing(connect(f"redis://{USER}{server.address}/1")) as client:
        await sell(client)
        operations = OnsaleOperations(client, "cactus")
        await operations.change(Action("ops", "hold", "1"), "set", ["hold", "a break"])
        assert await operations.overrides() == {"hold": "a break"}
        assert len(await operations.audit(10)) == 1
        await operations.end_session(None, "revoke", "session", 60)
        assert await operations.revocations("")
        assert await operations.server()
        # Nothing has been refused so far, at no connection's beginning either: who reads ACL LOG would take it for an attack.
        assert server.ask("ACL", "LOG") == []
        assert await operations.snapshots_schedule() is None
        assert [entry["object"] for entry in server.ask("ACL", "LOG")] == ["config|get"]


@pytest.mark.parametrize(
    "command", [["FLUSHALL"], ["GET", "other"], ["CONFIG", "GET", "*"], ["KEYS", "*"]], ids=" ".join
)
async def test_the_guides_user_can_do_nothing_else(server: TcpValkey, command: list[str]) -> None:
    async with aclosing(connect(f"redis://{USER}{server.address}")) as client:
        with pytest.raises(NoPermissionError):
            await client.execute_command(*command)


async def test_a_wrong_password_is_an_unavailable_store_and_is_not_shown(server: TcpValkey) -> None:
    async with aclosing(connect(f"redis://tidegate:hush@{server.address}")) as client:
        with pytest.raises(StoreUnavailable) as refused:
            await OnsaleStore(client, "cactus", settings()).join([device(1)])
    assert "hush" not in str(refused.value)


async def test_in_a_cluster_the_user_needs_two_commands_more(folder: Path) -> None:
    cluster = Cluster(folder, replicas=False)
    try:
        cluster.start()
        for node in cluster.nodes:
            node.ask("ACL", "SETUSER", "tidegate", *RIGHTS.split(), *IN_CLUSTER.split())
        assert IN_CLUSTER in GUIDE.read_text()
        async with aclosing(connect(cluster.url(user=USER))) as client:
            for number in range(5):
                await sell(client, f"sale{number}")
        assert [node.ask("ACL", "LOG") for node in cluster.nodes] == [[], [], []]
    finally:
        cluster.stop()
