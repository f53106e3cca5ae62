"""Keeps a copy of a set of objects up to date: a list once, then a watch, and no polling.

As client-go's reflector does it (tools/cache/reflector.go): a watch goes on from the last version seen, bookmarks move that
version along while nothing changes, 410 means to list anew, and failures are tried again with a backoff that doubles. Of each
object only what its reader asks for is kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from autoscaler.clock import Clock
from autoscaler.errors import Expired, Forbidden, Invalid, KubernetesError, Missing, Unreachable, brief
from autoscaler.instrumentation.events import Instrument, WatchInterrupted
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import KubernetesClient, Query

T = TypeVar("T")

WATCH_S = (180, 360)
"""The server ends each watch after a time between these: dead connections are found, and not all at once."""
PAGE = 500
BACKOFF_S, BACKOFF_LIMIT_S = 0.8, 30.0
HOPELESS_S = 60.0
"""After a refusal for lack of rights, or of the kind itself: a change of these is not waited for by the second."""
STALE_S = 5.0
"""A change that somebody else has seen this long ago, and the watch has not: its connection is dead, or the server stuck."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects: those at a path, by labels, or by name."""

    what: str
    path: str
    label_selector: str = ""
    field_selector: str = ""

    @property
    def query(self) -> Query:
        """The scope as query parameters."""
        selectors = (("labelSelector", self.label_selector), ("fieldSelector", self.field_selector))
        return [(name, value) for name, value in selectors if value]


class Reflector(Generic[T]):
    """A copy of the objects in a scope, by name. `read` takes from each what is kept, `changed` is told of every change."""

    def __init__(
        self,
        client: KubernetesClient,
        scope: Scope,
        read: Callable[[Json], T],
        changed: Callable[[], None],
        *,
        clock: Clock,
        instrument: Instrument,
    ) -> None:
        self._client = client
        self.scope = scope
        self._read = read
        self._changed = changed
        self._clock = clock
        self._instrument = instrument
        self._objects: dict[str, T] = {}
        self._version = ""
        self._outcome: asyncio.Event = asyncio.Event()
        self._error: KubernetesError | None = None
        self._backoff_s = BACKOFF_S
        self._attempt: asyncio.Timeout | None = None
        self._behind: tuple[str, float] | None = None
        self.synced = False

    @property
    def objects(self) -> Mapping[str, T]:
        """What is known now; empty before the first list."""
        return self._objects

    async def first(self) -> None:
        """Return when the objects have been listed once.

        Raises:
            KubernetesError: they could not be, so far.
        """
        await self._outcome.wait()
        if not self.synced and self._error is not None:
            raise self._error

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
        except TimeoutError:  # ordered by `expect`
            self._version = ""
            return "the watch fell behind"
        except Expired as error:
            self._version = ""
            return brief(error)
        except KubernetesError as error:
            self._fail(error)
            return brief(error)
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # no object of Kubernetes looks like that
            self._version = ""
            self._fail(Unreachable(f"{self.scope.what}: not what an API server writes: {error!r}"))
            return f"not what an API server writes: {brief(repr(error))}"
        finally:
            self._attempt = None
        return ""

    def expect(self, version: str, now_version: str) -> None:
        """Take note that somebody has seen an object at `version`, of which this copy has `now_version`.

        A watch that still lags behind the same sighting after `STALE_S` is given up for a new list.
        """
        now_s = self._clock.monotonic_s()
        if version == now_version:
            self._behind = None
        elif self._behind is None or self._behind[0] != now_version:
            self._behind = (now_version, now_s)
        elif now_s - self._behind[1] >= STALE_S and self._attempt is not None:
            self._behind = None
            self._attempt.reschedule(asyncio.get_running_loop().time())

    def _fail(self, error: KubernetesError) -> None:
        self._error = error
        if isinstance(error, Forbidden | Missing | Invalid):
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
        self._version = metadata.get("resourceVersion", "")
        self.synced, self._error, self._backoff_s, self._behind = True, None, BACKOFF_S, None
        self._outcome.set()
        self._changed()

    async def _watch(self) -> None:
        query = [*self.scope.query, ("resourceVersion", self._version)]
        events = self._client.watch(self.scope.path, query, random.randint(*WATCH_S))
        async with aclosing(events):
            async for event in events:
                self._backoff_s = BACKOFF_S
                self._apply(event["type"], event["object"])

    def _apply(self, kind: str, item: Json) -> None:
        metadata = item["metadata"]
        self._version = metadata["resourceVersion"]
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._objects.pop(metadata["name"], None)
        else:
            self._objects[metadata["name"]] = self._read(item)
        self._behind = None
        self._changed()
