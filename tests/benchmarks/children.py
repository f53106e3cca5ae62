"""Processes which a benchmark starts: a module of this folder each, spoken to by lines over its standard input and output.

A child ends when its input ends, and so dies with us even if we are killed.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stores import Valkey

ROOT = Path(__file__).resolve().parents[2]
_GRACE_S = 15.0


class Child:
    """A running module of this folder."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, question: str) -> Any:
        """Send a line and return the answer.

        Raises:
            RuntimeError: the child has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """Wait for the next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a child of the benchmark ended with status {self._process.wait()}")
        return json.loads(line)


@contextmanager
def child(module: str, options: Mapping[str, Any]) -> Iterator[Child]:
    """Have `module` of this folder run for as long as the block lasts; it is ready when the block begins."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{module}", json.dumps(options)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        running = Child(process)
        running.answer()
        yield running
    finally:
        _end(process)


async def obey(answers: Mapping[str, Any]) -> None:
    """In a child: say that it is ready, answer questions by calling what `answers` holds, return when the input ends.

    What takes time may be a coroutine.
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say("ready")
    while line := await reader.readline():
        answer = answers[line.decode().strip()]()
        _say(await answer if inspect.isawaitable(answer) else answer)


def resident_kb() -> int:
    """In a child: return the memory in use now, where Linux tells it; elsewhere the most that there ever was."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Have an empty Valkey run in `folder`, and return its address."""
    server = Valkey(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
