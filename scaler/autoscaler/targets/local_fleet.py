"""The processes of a local pool as pods. What they print stands in files, one a port, which are followed as they grow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO, Final

from autoscaler.errors import TargetError
from autoscaler.targets.fleet import PodState, PodView, clean_line
from autoscaler.targets.local import LocalPool
from autoscaler.targets.replica import Replica

LOOK_EVERY_S: Final = 0.5
TAIL_BYTES: Final = 1024 * 1024
"""How far back the last lines are looked for."""
CHUNK: Final = 256 * 1024


class LocalFleet:
    """The replicas of one pool."""

    def __init__(self, pool: LocalPool) -> None:
        self._pool = pool

    async def pods(self) -> tuple[PodView, ...]:
        """Return the processes, and those that are to be started again."""
        views = [self._view(replica) for replica in self._pool.replicas]
        return tuple(sorted(views, key=lambda view: view.name))

    async def log(
        self, pod: str, lines: int, *, follow: bool, container: str = "", previous: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yield lines of the pod's file. A file that is cut or replaced is read from its beginning.

        All instances on a port print to one file, so there is no container to choose, and none before.

        Raises:
            TargetError: the pool has no such process, its file cannot be read, or a container or former instance is named.
        """
        if container or previous:
            raise TargetError(f"{pod[:80]} has one log, with what its former processes have printed in it")
        path = self._path(pod)
        file = await asyncio.to_thread(_open, path)
        try:
            for raw in await asyncio.to_thread(_last_lines, file, lines):
                yield clean_line(raw)
            if not follow:
                return
            rest = b""
            while True:
                # Looked at before the reading: what is printed last, and then moved away or ended, is read once more.
                runs, moved = self._runs(pod), await asyncio.to_thread(_has_moved, file, path)
                chunk = await asyncio.to_thread(file.read, CHUNK)
                if chunk:
                    *whole, rest = (rest + chunk).split(b"\n")
                    for raw in whole:
                        yield clean_line(raw)
                    rest = rest[-CHUNK:]
                    continue
                if moved:
                    file.close()
                    file = await asyncio.to_thread(_open, path)
                elif not runs:
                    return
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            file.close()

    async def restart(self) -> None:
        """Replace the processes by new ones."""
        self._pool.restart()

    def _path(self, pod: str) -> Path:
        if not self._runs(pod):
            raise TargetError(f"{self._pool.name} has no process {pod[:80]}")
        return self._pool.logs / f"{pod}.log"

    def _runs(self, pod: str) -> bool:
        return any(replica.port is not None and self._name(replica) == pod for replica in self._pool.replicas)

    def _name(self, replica: Replica) -> str:
        return f"{self._pool.document.name}-{replica.port}"

    def _view(self, replica: Replica) -> PodView:
        if replica.port is None:
            command = " ".join(self._pool.document.spec.command)
            name = f"{self._pool.document.name}-?"
            return PodView(name, "starting", "Waiting for a port", command, replica.restarts)
        running = replica.launch is not None
        command = " ".join(self._pool.document.spec.command_line(replica.port, "python"))
        state: PodState = "ready" if replica.ready else "starting" if running else "failed"
        status = {"ready": "Running", "starting": "Not ready", "failed": "Ended, to be restarted"}[state]
        return PodView(
            name=self._name(replica),
            state=state,
            status=status,
            image=command,
            restarts=replica.restarts,
            since_s=replica.started_at_s if running else None,
            where=replica.url if running else "",
        )


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise TargetError(f"log {path.name}: {error.strerror or error}") from error


def _last_lines(file: BinaryIO, lines: int) -> list[bytes]:
    """Read the last lines, and leave the file where what comes after them begins."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - TAIL_BYTES))
    text = file.read(TAIL_BYTES)
    whole, newline, rest = text.rpartition(b"\n")
    file.seek(start + len(text) - len(rest))
    if not newline:
        return []
    found = whole.split(b"\n")
    return (found[1:] if start > 0 else found)[-lines:] if lines > 0 else []


def _has_moved(file: BinaryIO, path: Path) -> bool:
    """Tell whether the path leads to another file by now, or to a shorter one."""
    try:
        there, here = path.stat(), os.fstat(file.fileno())
    except OSError:
        return False
    return there.st_ino != here.st_ino or there.st_size < file.tell()
