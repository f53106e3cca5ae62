"""Two servers side by side: load goes to one, then to the other, in short windows, so that a noisy machine disturbs both alike.

Both get the very same requests from the same client, and the bare handler gives answers of the same length and headers. Besides
answers per second we count the server process's own processor time an answer, which other users of the machine disturb less: all
of it, also what our server does beside answering (it reads its counters anew five times a second). A ratio is the median over
the rounds of the ratio within a round, so that a slow minute counts for both sides.

Answers per second say what one process gives while client and store have their share of the processors. Where there are only two
of them, a join is held back by its store's work too, which the bare handler has none of. That is left in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import uvloop

from tests.benchmarks.children import Child, child
from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.load import Load, ask_once
from tests.ports import free_port

_WARM_UP_S = 0.1


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: `rounds` windows of `seconds` for each of the two, over `connections`."""

    rounds: int = 20
    seconds: float = 0.5
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a server's options (see `server`), and the requests sent to it without end."""

    name: str
    options: Mapping[str, Any]
    method: str
    path: str
    requests: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class _Side:
    answers_per_s: float
    cpu_us: float
    busy: float
    answers: int


def compare(subject: Subject, effort: Effort) -> list[Figure]:
    """Measure a subject against a bare handler."""
    return _figures(subject.name, *uvloop.run(_beside_bare(subject, effort)))


def compare_with(subject: Subject, rival: Mapping[str, Any], name: str, effort: Effort) -> Figure:
    """Measure a subject against another server that answers the same requests; `name` is the figure's."""
    ours, rivals = uvloop.run(_beside(subject, rival, effort))
    spent = middle([side.cpu_us for side in ours]), middle([side.cpu_us for side in rivals])
    return Figure(
        name,
        value=middle([side.answers_per_s for side in ours]),
        unit="requests/s",
        n=sum(side.answers for side in ours),
        baseline=middle([side.answers_per_s for side in rivals]),
        ratio=middle([a.answers_per_s / b.answers_per_s for a, b in zip(ours, rivals, strict=True)]),
        note=f"processor time of the server process: {spent[0]:.0f} us/request, baseline {spent[1]:.0f} us",
    )


async def _beside(
    subject: Subject, rival: Mapping[str, Any], effort: Effort
) -> tuple[list[_Side], list[_Side]]:
    port, rival_port = free_port(), free_port()
    with (
        child("server", {**subject.options, "port": port}) as server,
        child("server", {**rival, "port": rival_port}) as other,
    ):
        return await _interleave(subject, effort, (server, port), (other, rival_port))


async def _beside_bare(subject: Subject, effort: Effort) -> tuple[list[_Side], list[_Side]]:
    port, bare_port = free_port(), free_port()
    with child("server", {**subject.options, "port": port}) as server:
        headers, body = await ask_once(port, next(subject.requests()))
        bare_options = {
            "kind": "bare",
            "method": subject.method,
            "path": subject.path,
            "headers": headers,
            "length": len(body),
            "port": bare_port,
        }
        with child("server", bare_options) as bare:
            return await _interleave(subject, effort, (server, port), (bare, bare_port))


async def _interleave(
    subject: Subject, effort: Effort, one: tuple[Child, int], other: tuple[Child, int]
) -> tuple[list[_Side], list[_Side]]:
    requests = subject.requests()
    loads = [await Load.open(port, requests, effort.connections) for _, port in (one, other)]
    for load in loads:
        await load.run(max(_WARM_UP_S, effort.seconds))
    ours: list[_Side] = []
    bare: list[_Side] = []
    for turn in range(effort.rounds):
        # Who goes first changes from round to round.
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            (ours, bare)[side].append(await _window((one, other)[side][0], loads[side], effort.seconds))
    for load in loads:
        load.close()
    return ours, bare


async def _window(server: Child, load: Load, seconds: float) -> _Side:
    before = float(server.ask("cpu"))
    window = await load.run(seconds)
    cpu_s = float(server.ask("cpu")) - before
    return _Side(
        window.answers / window.seconds, cpu_s / window.answers * 1e6, cpu_s / window.seconds, window.answers
    )


def _figures(name: str, ours: list[_Side], bare: list[_Side]) -> list[Figure]:
    answers = sum(side.answers for side in ours)
    busy = middle([side.busy for side in ours])
    bare_busy = middle([side.busy for side in bare])
    return [
        Figure(
            f"{name}_rps_ratio",
            value=middle([side.answers_per_s for side in ours]),
            unit="requests/s",
            n=answers,
            baseline=middle([side.answers_per_s for side in bare]),
            ratio=middle([a.answers_per_s / b.answers_per_s for a, b in zip(ours, bare, strict=True)]),
            note=f"server busy {busy:.0%}, bare handler {bare_busy:.0%}",
        ),
        Figure(
            f"{name}_cpu_ratio",
            value=middle([side.cpu_us for side in ours]),
            unit="us/request",
            n=answers,
            baseline=middle([side.cpu_us for side in bare]),
            ratio=middle([b.cpu_us / a.cpu_us for a, b in zip(ours, bare, strict=True)]),
            note="processor time of the server process; ratio = bare handler's / ours",
        ),
    ]


async def load_for(port: int, requests: Iterator[bytes], effort: Effort) -> int:
    """Send load to one server for one window, and return how many answers came."""
    load = await Load.open(port, requests, effort.connections)
    answers = (await load.run(effort.seconds)).answers
    load.close()
    # Let the server see the connections close before it is stopped.
    await asyncio.sleep(0)
    return answers
