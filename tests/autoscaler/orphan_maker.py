"""Runs a pool in a process of its own until it is killed: what is left of the replicas then is up to a test."""

import asyncio
import sys
from pathlib import Path

from tests.autoscaler.fakes import Recorder
from tests.autoscaler.pools import running_pool


async def main(folder: Path, first: int, replicas: int) -> None:
    async with running_pool(folder, Recorder(), replicas=replicas, ports=replicas, first=first):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
