"""A crowd of simulated buyers over real HTTP, as a process of its own: `python -m tidegate.demo.crowd --room URL ...`.

Prints a line of progress a second (JSON), and at the end, or on SIGTERM, writes what every buyer saw.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from tidegate.demo.browser import open_pool
from tidegate.demo.buyer import Addresses, Buyer
from tidegate.demo.progress import Board
from tidegate.demo.records import BuyerRecord, write_records
from tidegate.demo.shapes import Arrivals, BuyerPlan, plan

_PROGRESS_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class CrowdOptions:
    """Where a crowd goes, and who it is; `opens_s` in unix seconds."""

    room: str
    gate: str
    onsale: str
    buyers: int
    seconds: float
    opens_s: float
    seed: int
    out: Path
    arrivals: Arrivals = Arrivals.FESTIVAL


async def run_crowd(options: CrowdOptions) -> None:
    """Play the crowd to its end or until SIGTERM, and write the records in either case."""
    plans = plan(options.buyers, options.seconds, options.seed, options.arrivals)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    records = await play(plans, options, Board(), stop)
    write_records(options.out, records)


async def play(
    plans: list[BuyerPlan], options: CrowdOptions, board: Board, stop: asyncio.Event
) -> list[BuyerRecord]:
    """Let all buyers run, until the last one is done or `stop` is set; return what they saw."""
    addresses = Addresses(options.room, options.gate, options.onsale)
    async with open_pool() as pool:
        buyers = [Buyer(each, addresses, pool, board, options.opens_s) for each in plans]
        tasks = [asyncio.create_task(buyer.run()) for buyer in buyers]
        # What exists now lives until the end: the collector need not walk through ten thousand buyers again and again.
        gc.collect()
        gc.freeze()
        everyone: asyncio.Future[Any] = asyncio.gather(*tasks)
        others: list[asyncio.Future[Any]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(_print_progress(board)),
        ]
        try:
            await asyncio.wait([everyone, *others], return_when=asyncio.FIRST_COMPLETED)
            if everyone.done():
                everyone.result()
        finally:
            for future in (everyone, *others):
                future.cancel()
            await asyncio.gather(*tasks, everyone, *others, return_exceptions=True)
            gc.unfreeze()
        print(json.dumps(asdict(board.read(time.time()))), flush=True)
        return [buyer.record() for buyer in buyers]


async def _print_progress(board: Board) -> None:
    while True:
        print(json.dumps(asdict(board.read(time.time()))), flush=True)
        await asyncio.sleep(_PROGRESS_EVERY_S)


def main(arguments: list[str] | None = None) -> None:
    """Run a crowd."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.demo.crowd", description="A crowd of simulated buyers."
    )
    parser.add_argument("--room", required=True, help="base URL of the waiting room")
    parser.add_argument("--gate", required=True, help="base URL of the shop behind its gate")
    parser.add_argument("--onsale", required=True)
    parser.add_argument("--buyers", type=int, required=True)
    parser.add_argument(
        "--seconds", type=float, required=True, help="over which the crowd arrives after the opening"
    )
    parser.add_argument("--opens", type=float, required=True, help="the opening, in unix seconds")
    parser.add_argument("--arrivals", type=Arrivals, default=Arrivals.FESTIVAL, choices=list(Arrivals))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="file for what the buyers saw (JSON lines)")
    given = parser.parse_args(arguments)
    uvloop.run(
        run_crowd(
            CrowdOptions(
                room=given.room,
                gate=given.gate,
                onsale=given.onsale,
                buyers=given.buyers,
                seconds=given.seconds,
                opens_s=given.opens,
                seed=given.seed,
                out=given.out,
                arrivals=given.arrivals,
            )
        )
    )


if __name__ == "__main__":
    main()
