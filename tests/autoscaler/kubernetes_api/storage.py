"""The objects and their history: what etcd and the watch cache are to the real server. It knows no HTTP and no rights.

One counter counts all changes (the resourceVersion); each change is kept, so that a watch can begin in the past, until
`compact` forgets. Source: apiserver `pkg/storage/cacher/watch_cache_history.go`, `pkg/registry/generic/registry/store.go`.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass

from tests.autoscaler.kubernetes_api.kinds import Resource
from tests.autoscaler.kubernetes_api.statuses import Json, expired, too_large_revision

FIRST_REVISION = 100
"""A store that is not new: nobody may count on small numbers."""

Name = tuple[str, str]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """An object before (None: it did not exist) and after (None: deleted) one change."""

    revision: int
    key: Key
    before: Json | None
    after: Json | None


class Storage:
    """All objects of a server, in memory."""

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self._compacted = FIRST_REVISION
        self._objects: dict[Key, dict[Name, Json]] = {}
        self._changes: list[Change] = []
        self._watchers: set[asyncio.Queue[Change | int]] = set()
        self.listeners: list[Callable[[Change], None]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Return a copy of an object."""
        return copy.deepcopy(self._objects.get(resource.stored_as, {}).get((namespace, name)))

    def list(self, resource: Resource, namespace: str = "") -> list[Json]:
        """Return copies of the objects of a resource, in the order of their keys; of all namespaces if none is named."""
        there = self._objects.get(resource.stored_as, {})
        return [
            copy.deepcopy(thing)
            for (place, _), thing in sorted(there.items())
            if not namespace or place == namespace
        ]

    def put(self, resource: Resource, namespace: str, name: str, thing: Json) -> Json:
        """Write an object; returns it with its new resourceVersion. One that says the same is not written again."""
        there = self._objects.setdefault(resource.stored_as, {})
        before = there.get((namespace, name))
        if before is not None and _same(before, thing):
            return copy.deepcopy(before)
        self.revision += 1
        after = copy.deepcopy(thing)
        after["metadata"]["resourceVersion"] = str(self.revision)
        there[namespace, name] = after
        self._tell(Change(self.revision, resource.stored_as, before, after))
        return copy.deepcopy(after)

    def delete(self, resource: Resource, namespace: str, name: str) -> Json:
        """Remove an object which is there; returns it as it was last, with the revision of its removal."""
        before = self._objects[resource.stored_as].pop((namespace, name))
        self.revision += 1
        last = copy.deepcopy(before)
        last["metadata"]["resourceVersion"] = str(self.revision)
        self._tell(Change(self.revision, resource.stored_as, last, None))
        return copy.deepcopy(last)

    def compact(self) -> None:
        """Forget the history: who watches from before now must list again."""
        self._changes.clear()
        self._compacted = self.revision

    def check_revision(self, revision: int) -> None:
        """See that a client does not know more than the store.

        Raises:
            ApiError: it does (504, too large resource version).
        """
        if revision > self.revision:
            raise too_large_revision(revision, self.revision)

    def since(self, resource: Resource, revision: int) -> list[Change]:
        """Return the changes of a resource after a revision.

        Raises:
            ApiError: they are forgotten (410).
        """
        if revision < self._compacted:
            raise expired(f"too old resource version: {revision} ({self._compacted})")
        return [
            change
            for change in self._changes
            if change.revision > revision and change.key == resource.stored_as
        ]

    def subscribe(self) -> asyncio.Queue[Change | int]:
        """Return a queue that gets all changes from now on; a bare revision asks for a bookmark."""
        queue: asyncio.Queue[Change | int] = asyncio.Queue()
        self._watchers.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[Change | int]) -> None:
        self._watchers.discard(queue)

    def bookmark(self) -> None:
        """Have all watchers who want bookmarks sent one."""
        for queue in self._watchers:
            queue.put_nowait(self.revision)

    def _tell(self, change: Change) -> None:
        self._changes.append(change)
        for listener in self.listeners:
            listener(change)
        for queue in self._watchers:
            queue.put_nowait(change)


def _same(before: Json, thing: Json) -> bool:
    def without(value: Json) -> Json:
        metadata = {key: inner for key, inner in value["metadata"].items() if key != "resourceVersion"}
        return {**value, "metadata": metadata}

    return without(before) == without(thing)
