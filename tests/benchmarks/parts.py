"""Where the time of the release script goes: `python -m tests.benchmarks.parts` prints what each part of a call takes.

No profiler looks into the store's Lua. So the script is run with readings of `os.clock` between its parts, which is the processor
time of the store and suffers little from what else runs; what the commands take that it calls is from `INFO commandstats`. In
each of the calls somebody's turn comes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from tests.benchmarks.children import valkey
from tests.benchmarks.figures import middle
from tests.benchmarks.memory import SETTINGS, device
from waitingroom.joiner import MAX_BATCH
from waitingroom.store.client import OnsaleStore
from waitingroom.store.scripts import script_source

PARTS = (
    ("building the script's functions", "if not load_room() then\n"),
    ("reading the room", "turn()\n"),
    ("the turn: refill, no-shows, release", "publish()\nsave_room()\n"),
    ("publishing and saving", "local reply = snapshot()\nreply[#reply + 1] = 'moves'\n"),
    ("the report", "return reply"),
)
"""Each part, and the text of `advance` before which it ends; a text counts where it stands last."""
EMPTY, COMMANDS, WHOLE = "a script that does nothing", "of it, in commands", "a whole call"
_NAME = "cactusfestival"
_RATE_PER_S = 100.0
_DUE_S = 1.2 / _RATE_PER_S


def clocked(source: str) -> str:
    """Return the script so that it answers with the microseconds of each part.

    Raises:
        ValueError: a part's text is not in the script.
    """
    end = len(source)
    for _, text in reversed(PARTS):
        at = source.rfind(text, 0, end)
        if at < 0:
            raise ValueError(
                f"the script has no {text!r} before the parts that follow: say in PARTS how it is cut now"
            )
        source = f"{source[:at]}marks[#marks + 1] = os.clock()\n{source[at:]}"
        end = at
    spent = (
        "local spent = {}\n"
        "for i = 2, #marks do spent[#spent + 1] = string.format('%.0f', (marks[i] - marks[i - 1]) * 1000000) end\n"
        "return spent"
    )
    return "local marks = { os.clock() }\n" + spent.join(source.rsplit("return reply", 1))


async def parts(waiting: int, calls: int) -> dict[str, float]:
    """Return the microseconds of each part of a release before `waiting`, the median of so many `calls`, and of whole calls."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as url:
        client = Redis.from_url(url, decode_responses=True)
        store = OnsaleStore(client, _NAME, {**SETTINGS, "rate": repr(_RATE_PER_S)})
        await store.configure()
        for start in range(0, waiting, MAX_BATCH):
            await store.join([device(number) for number in range(start, min(start + MAX_BATCH, waiting))])
        await client.config_set("slowlog-log-slower-than", "0")
        source = script_source("advance")
        whole, split, empty = [
            [each async for each in _each(client, text, calls)]
            for text in (source, clocked(source), "return 1")
        ]
        commands_us = await _in_commands(client, source, calls)
        await client.aclose()
    told = {
        name: middle([float(each[number]) for _, each in split]) for number, (name, _) in enumerate(PARTS)
    }
    return {
        **told,
        COMMANDS: commands_us,
        EMPTY: middle([us for us, _ in empty]),
        WHOLE: middle([us for us, _ in whole]),
    }


async def _each(client: Redis, source: str, calls: int) -> AsyncIterator[tuple[float, Any]]:
    """Call a script whenever a turn is due; yield the microseconds by the store's own log, and the answer."""
    digest = await client.script_load(source)
    for _ in range(calls):
        await asyncio.sleep(_DUE_S)
        await client.slowlog_reset()
        answer = await client.evalsha(digest, 1, f"{{{_NAME}}}:room", "parts", "", "", "0")
        log = await client.slowlog_get(-1)
        yield (
            next(float(each["duration"]) for each in log if bytes(each["command"]).startswith(b"EVALSHA")),
            answer,
        )


async def _in_commands(client: Redis, source: str, calls: int) -> float:
    """Return the microseconds a call which the store's commands take that the script calls."""
    await client.config_set("slowlog-log-slower-than", "-1")
    digest = await client.script_load(source)
    await client.config_resetstat()
    for _ in range(calls):
        await asyncio.sleep(_DUE_S)
        await client.evalsha(digest, 1, f"{{{_NAME}}}:room", "parts", "", "", "0")
    counted = await client.info("commandstats")
    others = {"cmdstat_evalsha", "cmdstat_info", "cmdstat_config|resetstat"}
    return sum(float(each["usec"]) for name, each in counted.items() if name not in others) / calls


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.parts", description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000, help="how many stand in line (10000)")
    parser.add_argument("--calls", type=int, default=500, help="calls of each (500)")
    options = parser.parse_args(arguments)
    for name, us in uvloop.run(parts(options.waiting, options.calls)).items():
        sys.stdout.write(f"{us:7.1f} us  {name}\n")


if __name__ == "__main__":
    main()
