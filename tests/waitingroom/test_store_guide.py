"""What the store guide says to write into a server's files is what a server starts with, as it stands there."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.stores import SentinelServer, TcpValkey, eventually
from tests.waitingroom.test_store_users import GUIDE, IN_CLUSTER

BLOCKS = re.findall(r"^```\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
USER_LINES = [block for block in BLOCKS if block.startswith("user ")]
SENTINEL_LINES = [block for block in BLOCKS if block.startswith("sentinel ")]
DIRECTIVES = [block for block in BLOCKS if block not in USER_LINES + SENTINEL_LINES]


class FromFile(TcpValkey):
    """A server which reads a file of directives first."""

    def __init__(self, folder: Path, text: str, **options: str) -> None:
        super().__init__(folder / "valkey", *free_ports(1), **options)
        del self._options["appendonly"]  # a flag would come before the file's
        self._file = self._folder / "valkey.conf"
        self._file.write_text(text)

    def _command(self) -> list[str]:
        program, *flags = super()._command()
        return [program, str(self._file), *flags]


class GuidesSentinel(SentinelServer):
    """A Sentinel with the guide's lines, but for the master's address."""

    def _command(self) -> list[str]:
        command = super()._command()
        (lines,) = SENTINEL_LINES
        kept = [line for line in self._config.read_text().splitlines() if not line.startswith("sentinel ")]
        moved = lines.replace("10.0.0.1 6379", f"127.0.0.1 {self._master.port}")
        self._config.write_text("\n".join(kept) + f"\n{moved}")
        return command


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
        yield Path(name)


def test_the_guide_shows_files_of_all_three_kinds() -> None:
    assert (len(USER_LINES), len(SENTINEL_LINES), len(DIRECTIVES)) == (1, 1, 3)


@pytest.mark.parametrize("text", DIRECTIVES, ids=["store", "master", "cluster"])
def test_a_server_starts_with_the_guides_directives(folder: Path, text: str) -> None:
    wanted = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
    in_cluster = {"cluster-enabled": "yes", "cluster-port": str(*free_ports(1))} if "cluster-" in text else {}
    server = FromFile(folder, text, **in_cluster)
    server.start()
    try:
        assert server.ask("CONFIG", "GET", *wanted) == wanted
    finally:
        server.stop()


@pytest.mark.parametrize("more", ["", IN_CLUSTER, "+config|get"], ids=["alone", "cluster", "config"])
def test_a_server_starts_with_the_guides_user_in_its_acl_file(folder: Path, more: str) -> None:
    assert more in GUIDE.read_text()
    users = folder / "users.acl"
    users.write_text(f"{USER_LINES[0].strip()} {more}\n")
    server = FromFile(folder, f"aclfile {users}\n")
    server.start()
    try:
        assert "tidegate" in server.ask("ACL", "USERS")
    finally:
        server.stop()


def test_a_sentinel_starts_with_the_guides_lines(folder: Path) -> None:
    port, guard = free_ports(2)
    master = TcpValkey(folder / "master", port)
    sentinel = GuidesSentinel(folder / "sentinel", guard, master, "tide")
    try:
        master.start()
        sentinel.start()
        eventually(lambda: sentinel.ask("SENTINEL", "MASTER", "tide")["flags"] == "master")
        told = sentinel.ask("SENTINEL", "MASTER", "tide")
        assert (told["down-after-milliseconds"], told["failover-timeout"]) == ("2000", "10000")
    finally:
        sentinel.stop()
        master.stop()
