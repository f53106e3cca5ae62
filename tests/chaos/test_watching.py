"""Processes and stores are seen as they are, and a wait says what it waits for and who has died meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.chaos import runningsite
from tests.chaos.relay import Relay
from tests.chaos.runningsite import ROOM, Site, SiteError
from tests.chaos.sale import site_documents
from tests.chaos.watching import children_of, left_in_the_end, left_of, ping, state_of
from tests.ports import free_port
from tests.relays import listening
from tidegate.demo.access import make_access
from tidegate.demo.children import start_child
from tidegate.demo.errors import ChildDied
from tidegate.demo.stack import Stack

SLEEPS = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
DIES = (sys.executable, "-c", "import sys; print('no keys here'); sys.exit(3)")


async def test_a_process_is_seen_to_run_to_stand_still_and_to_be_gone() -> None:
    process = await asyncio.create_subprocess_exec(*SLEEPS, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        assert process.pid in children_of(os.getpid())
        assert left_of([process.pid]) == [process.pid]
        os.kill(process.pid, signal.SIGSTOP)
        while state_of(process.pid) != "T":
            await asyncio.sleep(0.01)
        assert left_of([process.pid]) == [process.pid]
    finally:
        process.kill()
    assert await left_in_the_end([process.pid]) == []
    await process.wait()
    assert state_of(process.pid) == ""


async def test_a_ping_is_timed_and_one_that_is_refused_unanswered_or_cut_off_is_none() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"+PONG\r\n")

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(answer) as answers, listening(say_nothing) as silent, listening(hang_up) as closed:
        took_s = await ping(answers)
        assert took_s is not None
        assert took_s > 0.0
        assert await ping(silent, within_s=0.05) is None
        assert await ping(closed) is None
    assert await ping(free_port()) is None


@asynccontextmanager
async def a_site(folder: Path, *command: str) -> AsyncIterator[Site]:
    """A site of which nothing runs but a process in place of the room."""
    async with aiohttp.ClientSession() as http:
        stack = Stack(site_documents(), folder, http, make_access(folder))
        stack.children[ROOM] = child = await start_child(ROOM, command, folder)
        try:
            yield Site(stack, False, False, Relay(0), Relay(0), 0, {})
        finally:
            await child.stop(0.0)


async def test_who_waits_for_a_process_that_has_died_is_told_at_once_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    async with a_site(tmp_path, *DIES) as site:
        with pytest.raises(ChildDied) as told:
            await site.until_workers_listen(ROOM)
    assert str(told.value).startswith("room ended with status 3; the end of its log ")
    assert str(told.value).endswith("room.log:\n  no keys here")


async def test_a_wait_in_vain_says_what_for_and_shows_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runningsite, "_WITHIN_S", 0.5)
    async with a_site(tmp_path, *SLEEPS) as site:
        with pytest.raises(SiteError) as told:
            await site.until_workers_listen(ROOM)
    assert str(told.value).startswith(
        "waited for 2 workers of the room to listen, in vain for 0.5 s; the end of its log "
    )
    assert "\n" in str(told.value)
