"""Keeps a copy of a set of objects up to date: a list once, then a watch, and no polling.

As client-go's reflector does it (tools/cache/reflector.go): a watch goes on from the last version seen, bookmarks move that
version along while nothing changes, 410 means to list anew, and failures are tried again with a backoff that doubles. A
refused watch means a list, too: where only lists are answered, the copy lives by them. Of each object only what its reader
asks for is kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from autoscaler.clock import Clock
from autoscaler.errors import (
    Expired,
    Forbidden,
    Invalid,
    KubernetesError,
    Missing,
    Throttled,
    Unreachable,
    brief,
)
from autoscaler.instrumentation.events import Instrument, WatchInterrupted
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import KubernetesClient, Query

T = TypeVar("T")
Listener: TypeAlias = Callable[[], None]

WATCH_S = (180, 360)
"""The server ends each watch after a time between these: dead connections are found, and not all at once."""
PAGE = 500
BACKOFF_S, BACKOFF_LIMIT_S = 0.8, 30.0
HOPELESS_S = 60.0
"""After a refusal for lack of rights, or of the kind itself: a change of these is not waited for by the second."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects: those at a path, or of these those with some labels. `what` is for people."""

    what: str
    path: str
    label_selector: str = ""

    @property
    def query(self) -> Query:
        """The scope as query parameters."""
        return [("labelSelector", self.label_selector)] if self.label_selector else []


class Reflector(Generic[T]):
    """A copy of the objects in a scope, by name; `read` takes from each what is kept. Listeners are told of changes."""

    def __init__(
        self,
        client: KubernetesClient,
        scope: Scope,
        read: Callable[[Json], T],
        *,
        clock: Clock,
        instrument: Instrument,
    ) -> None:
        self.scope = scope
        self._listeners: dict[str, list[Listener]] = {}
        self.synced = False
        self._client = client
        self._read = read
        self._clock = clock
        self._instrument = instrument
        self._objects: dict[str, T] = {}
        self._version = ""
        self._outcome = asyncio.Event()
        self._error: KubernetesError | None = None
        self._backoff_s = BACKOFF_S
        self._attempt: asyncio.Timeout | None = None
        self._heard_s = float("-inf")
        self._refused = False

    @property
    def objects(self) -> Mapping[str, T]:
        """What is known now; empty before the first list."""
        return self._objects

    @property
    def version(self) -> str:
        """Up to where the copy goes; empty when it has to be listed anew."""
        return self._version

    def is_live(self, silence_s: float) -> bool:
        """Tell whether a watch is under way, and has been heard of within so many seconds."""
        return self._attempt is not None and self.silent_s <= silence_s

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard of the objects, by list or by watch; infinite before the first list."""
        return self._clock.monotonic_s() - self._heard_s

    @property
    def has_listeners(self) -> bool:
        """Whether anybody is told of changes."""
        return bool(self._listeners)

    def listen(self, listener: Listener, name: str) -> None:
        """Tell a listener of the changes of one object; of all with the empty name."""
        self._listeners.setdefault(name, []).append(listener)

    def leave(self, listener: Listener, name: str) -> None:
        """Tell it no longer; whoever was never told is none the wiser."""
        listeners = self._listeners.get(name, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._listeners.pop(name, None)

    async def first(self) -> None:
        """Return when the objects have been listed once.

        Raises:
            KubernetesError: they could not be, so far.
        """
        await self._outcome.wait()
        if not self.synced and self._error is not None:
            raise self._error

    def restart(self) -> None:
        """Give the watch up for a new list, or begin the next attempt with one: somebody knows that it tells nothing any more."""
        if not self._version:  # a list is under way, or the next thing to be done
            return
        self._version = ""
        if self._attempt is not None and not self._attempt.expired():
            self._attempt.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """List and watch until cancelled; whatever fails is recorded, and begun again after a while."""
        while True:
            began_s = self._clock.monotonic_s()
            error = await self._attempt_once()
            # A server that ends watches at once must not be asked without a pause.
            if not error and self._clock.monotonic_s() - began_s >= 1:
                continue
            wait_s = self._next_wait_s()
            told = WatchInterrupted(self.scope.what, error or "ended at once", not self._version, wait_s)
            self._instrument.record(told)
            await self._clock.sleep(wait_s)

    async def _attempt_once(self) -> str:
        """List if need be, and watch to the end; returns what went wrong, if anything."""
        try:
            async with asyncio.timeout(None) as self._attempt:
                if not self._version:
                    await self._list()
                await self._watch()
        except TimeoutError:  # ordered by `restart`
            self._version = ""
            return "the watch fell behind"
        except Expired as error:
            self._version = ""
            return brief(error)
        except KubernetesError as error:
            # A watch that was refused, not one that broke. A list may be answered all the same; without it nothing would be
            # heard of the objects for as long as that lasts.
            if self._version and error.status is not None and not isinstance(error, Throttled):
                self._version, self._refused = "", True
            self._fail(error)
            return brief(error)
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # no object of Kubernetes looks like that
            self._version = ""
            failure = Unreachable(f"{self.scope.what}: not what an API server writes: {error!r}")
            self._fail(failure)
            return brief(failure)
        finally:
            self._attempt = None
        self._refused = False
        return ""

    def _fail(self, error: KubernetesError) -> None:
        self._error = error
        if isinstance(error, Forbidden | Missing | Invalid) and not self._refused:
            self._backoff_s = HOPELESS_S
        self._outcome.set()

    def _next_wait_s(self) -> float:
        wait_s = self._backoff_s * random.uniform(0.5, 1.0)
        self._backoff_s = min(self._backoff_s * 2, max(BACKOFF_LIMIT_S, self._backoff_s))
        return wait_s

    async def _list(self) -> None:
        found: dict[str, T] = {}
        page: list[tuple[str, str]] = []
        while True:
            answer = await self._client.get(self.scope.path, [*self.scope.query, ("limit", str(PAGE)), *page])
            for item in answer.get("items") or []:
                found[item["metadata"]["name"]] = self._read(item)
            metadata = answer.get("metadata") or {}
            if not metadata.get("continue"):
                break
            page = [("continue", metadata["continue"])]
        self._objects = found
        self._version = metadata["resourceVersion"]
        self.synced, self._error = True, None
        if not self._refused:  # else each list would be followed by the next one at once
            self._backoff_s = BACKOFF_S
        self._heard_s = self._clock.monotonic_s()
        self._outcome.set()
        self._tell(*self._listeners)

    async def _watch(self) -> None:
        query = [*self.scope.query, ("resourceVersion", self._version)]
        events = self._client.watch(self.scope.path, query, random.randint(*WATCH_S))
        async with aclosing(events):
            async for event in events:
                self._backoff_s, self._refused = BACKOFF_S, False
                self._apply(event["type"], event["object"])

    def _apply(self, kind: str, item: Json) -> None:
        metadata = item["metadata"]
        self._version = metadata["resourceVersion"]
        self._heard_s = self._clock.monotonic_s()
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._objects.pop(metadata["name"], None)
        else:
            self._objects[metadata["name"]] = self._read(item)
        self._tell(metadata["name"], "")

    def _tell(self, *names: str) -> None:
        for name in names:
            for listener in tuple(self._listeners.get(name, ())):
                listener()
