"""Which copies of objects are kept: one of each scope, for as long as somebody listens. How a copy is kept is `reflector`'s."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from autoscaler.clock import Clock
from autoscaler.instrumentation.events import Instrument
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import KubernetesClient
from autoscaler.kubernetes.reflector import Listener, Reflector, Scope

T = TypeVar("T")


class Copies:
    """The copies that are kept, each for as long as somebody listens: one of a scope, however many do."""

    def __init__(self, client: KubernetesClient, *, clock: Clock, instrument: Instrument) -> None:
        self._client = client
        self._clock = clock
        self._instrument = instrument
        self._kept: dict[Scope, tuple[Reflector[Any], asyncio.Task[None]]] = {}

    def follow(
        self, scope: Scope, read: Callable[[Json], T], listener: Listener, name: str = ""
    ) -> Reflector[T]:
        """Return the copy of a scope, and tell the listener of changes, of one object if it is named, until it leaves.

        A scope has one way to be read.
        """
        if scope not in self._kept:
            made = Reflector(self._client, scope, read, clock=self._clock, instrument=self._instrument)
            self._kept[scope] = (made, asyncio.create_task(made.run(), name=scope.what))
        reflector: Reflector[T] = self._kept[scope][0]
        reflector.listen(listener, name)
        return reflector

    async def leave(self, scope: Scope, listener: Listener, name: str = "") -> None:
        """Tell a listener nothing more; a copy that nobody listens to is no longer kept."""
        if scope not in self._kept:
            return
        reflector, task = self._kept[scope]
        reflector.leave(listener, name)
        if not reflector.has_listeners:
            del self._kept[scope]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Keep no copy any longer."""
        tasks = [task for _, task in self._kept.values()]
        self._kept.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
