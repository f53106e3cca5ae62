"""The page of a pod's log, and the stream behind it. A log is others' text: it leaves as text and nothing else.

Of a pod with several containers one is chosen; of one that was restarted, what the instance before has printed can be read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from autoscaler.console.base import CONSOLE, render
from autoscaler.console.fleets import fleet_of
from autoscaler.console.live import STREAM_HEADERS, pause, still_signed_in
from autoscaler.console.pages import pods_of
from autoscaler.errors import AutoscalerError, brief
from autoscaler.loop import RuleLoop
from autoscaler.targets.fleet import ContainerView, Fleet, PodView

LINES: Final = 500
MOST_LINES: Final = 5000
BATCH: Final = 200
"""Lines that are sent at once; while a browser takes them, no more are read."""
GATHER_S: Final = 0.1
BEAT_S: Final = 15.0
_DONE: Final = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which log is asked for, and how many of its last lines. Without a container it is the pod's main one."""

    pod: str
    container: str
    previous: bool
    lines: int

    def of(self, fleet: Fleet, *, follow: bool) -> AsyncGenerator[str, None]:
        """Read it."""
        return fleet.log(
            self.pod, self.lines, follow=follow, container=self.container, previous=self.previous
        )


async def show_log(request: web.Request) -> web.Response:
    """The last lines of a pod's log, those with `q` in them; a script then follows it."""
    rule, loop = request.app[CONSOLE].rule(request.match_info["rule"])
    pods, problem = await pods_of(loop)
    wanted = _wanted(request, pods)
    sought = request.query.get("q", "")[:200]
    found: list[str] = []
    if wanted.pod:
        try:
            async with asyncio.timeout(10):
                async with aclosing(wanted.of(_fleet(loop), follow=False)) as log:
                    found = [line async for line in log]
        except (AutoscalerError, TimeoutError) as error:
            problem = brief(error)
    if sought:
        found = [line for line in found if sought.lower() in line.lower()]
    return render(
        request,
        "log.html",
        rule=rule,
        pods=pods,
        wanted=wanted,
        containers=_containers(pods, wanted.pod),
        has_previous=wanted.previous or _restarted(pods, wanted),
        lines=found,
        sought=sought,
        problem=problem,
    )


async def stream_log(request: web.Request) -> web.StreamResponse:
    """Send a pod's last lines and what follows as JSON lists of lines."""
    console = request.app[CONSOLE]
    _, loop = console.rule(request.match_info["rule"])
    fleet, wanted = _fleet(loop), _wanted(request, ())
    response = web.StreamResponse(headers=STREAM_HEADERS)
    await response.prepare(request)
    queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=BATCH)
    reading = asyncio.create_task(_read(fleet, wanted, queue), name=f"log {wanted.pod}")
    try:
        while not console.stopping.is_set() and await still_signed_in(request):
            batch, ended = await _batch(queue, console.stopping)
            if batch:
                await response.write(_event("lines", batch))
            elif not ended:
                await response.write(b": still here\n\n")
            if ended:
                await response.write(_event("end", await reading))
                break
            await pause(console.stopping, GATHER_S)
    except (ConnectionError, TimeoutError):
        pass
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    return response


async def _read(fleet: Fleet, wanted: Wanted, queue: asyncio.Queue[str | None]) -> str:
    """Put lines into the queue until there are no more; returns why."""
    told = "This is all that the instance before has printed." if wanted.previous else "The pod has ended."
    try:
        async with aclosing(wanted.of(fleet, follow=True)) as log:
            async for line in log:
                await queue.put(line)
    except AutoscalerError as error:
        told = brief(error)
    await queue.put(_DONE)
    return told


async def _batch(queue: asyncio.Queue[str | None], stopping: asyncio.Event) -> tuple[list[str], bool]:
    """Wait for lines, and take those that are there; the second tells whether there will be no more."""
    getting, ending = asyncio.ensure_future(queue.get()), asyncio.ensure_future(stopping.wait())
    done, pending = await asyncio.wait({getting, ending}, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if getting not in done:
        return [], False
    lines: list[str] = []
    line = getting.result()
    while line is not _DONE:
        lines.append(line)
        if len(lines) >= BATCH or queue.empty():
            return lines, False
        line = queue.get_nowait()
    return lines, True


def _wanted(request: web.Request, pods: Sequence[PodView]) -> Wanted:
    """Read what is asked for. A container that the pod does not have was chosen for another pod: it is left out."""
    query = request.query
    pod = query.get("pod") or (pods[0].name if pods else "")
    container, known = query.get("container", ""), _containers(pods, pod)
    if known and container not in {each.name for each in known}:
        container = ""
    return Wanted(pod, container, query.get("previous") == "yes", _count(query.get("lines")))


def _containers(pods: Sequence[PodView], pod: str) -> tuple[ContainerView, ...]:
    return next((view.containers for view in pods if view.name == pod), ())


def _restarted(pods: Sequence[PodView], wanted: Wanted) -> bool:
    """Tell whether there is an instance before."""
    containers = _containers(pods, wanted.pod)
    name = wanted.container or (containers[0].name if containers else "")
    return any(each.restarts > 0 for each in containers if each.name == name)


def _fleet(loop: RuleLoop) -> Fleet:
    fleet = fleet_of(loop.target)
    if fleet is None:
        raise web.HTTPNotFound(text="This kind of target has no logs here.")
    return fleet


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _count(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 6:
        return LINES
    return max(1, min(int(text), MOST_LINES))
