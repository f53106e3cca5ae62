"""What a watch tells, event by event, and what a list says. Neither knows how it is sent.

Sources: apiserver `pkg/storage/cacher/cacher.go` (errors of an accepted watch are events, not answers; bookmarks; initial
events), `pkg/storage/cacher/cache_watcher.go` (objects that come to match a selector, or cease to), `pkg/storage/continue.go`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.autoscaler.kubernetes_api.conversion import shown
from tests.autoscaler.kubernetes_api.kinds import Resource
from tests.autoscaler.kubernetes_api.selection import Matches, fields_match, labels_match
from tests.autoscaler.kubernetes_api.statuses import ApiError, Json, bad_request, expired
from tests.autoscaler.kubernetes_api.storage import Change, Storage

_LAST = "\x00"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a list or a watch is about."""

    resource: Resource
    namespace: str
    matches: Matches


def select(resource: Resource, namespace: str, labels: str, fields: str) -> Selection:
    """Read the selectors.

    Raises:
        ApiError: they cannot be read (400).
    """
    by_label, by_field = labels_match(labels), fields_match(fields, resource.fields)

    def matches(thing: Json) -> bool:
        # Field selectors speak the language of the resource: events have two.
        return by_label(thing) and by_field(shown(resource, thing))

    return Selection(resource, namespace, matches)


def parse_revision(text: str) -> int:
    """Read a resourceVersion of a query; nothing is 0.

    Raises:
        ApiError: it is none (400).
    """
    if text and not text.isdigit():
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text or 0)


def list_of(
    storage: Storage, selection: Selection, *, limit: int, token: str, selected: bool
) -> tuple[list[Json], Json]:
    """Return objects in their stored form, and the metadata of the list.

    Pages after the first show what is there now; a real server shows what was there at the first. Which is why they end
    with 410 here too once the history is compacted.

    Raises:
        ApiError: the token is none (400) or too old (410).
    """
    revision, start = storage.revision, ""
    if token:
        revision, start = _read_token(token)
        try:
            storage.since(selection.resource, revision)
        except ApiError:
            message = (
                "The provided continue parameter is too old to display a consistent list result. You can start a new list "
                "without the continue parameter."
            )
            raise expired(message) from None
    things = [
        thing for thing in storage.list(selection.resource, selection.namespace) if selection.matches(thing)
    ]
    rest = [thing for thing in things if _place(thing) > start] if start else things
    page = rest[:limit] if limit else rest
    metadata: Json = {"resourceVersion": str(revision)}
    if len(page) < len(rest):
        body = {"v": "meta.k8s.io/v1", "rv": revision, "start": _place(page[-1]) + _LAST}
        metadata["continue"] = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
        if not selected:
            metadata["remainingItemCount"] = len(rest) - len(page)
    return page, metadata


async def events_of(
    storage: Storage,
    selection: Selection,
    *,
    revision: int,
    initial: bool,
    bookmarks: bool,
    bookmark_s: float,
    timeout_s: float,
) -> AsyncIterator[Json]:
    """Yield what a watch is sent, until its time is up or the history that it needs is gone.

    `initial`: first what there is, and then a bookmark which says so. Without it a watch from revision 0 begins with what
    there is, too, but says nothing of its end.
    """
    queue = storage.subscribe()
    try:
        seen = storage.revision
        if revision == 0 or initial:
            for thing in storage.list(selection.resource, selection.namespace):
                if selection.matches(thing):
                    yield _event("ADDED", selection.resource, thing)
            if initial:
                yield _bookmark(selection.resource, seen, end_of_initial=True)
        else:
            try:
                storage.check_revision(revision)
                past = storage.since(selection.resource, revision)
            except ApiError as error:
                yield {"type": "ERROR", "object": error.status}
                return
            for change in past:
                if event := _seen(selection, change):
                    yield event
        end_s, bookmark_at_s = time.monotonic() + timeout_s, time.monotonic() + bookmark_s
        while (now_s := time.monotonic()) < end_s:
            if bookmarks and now_s >= bookmark_at_s:
                yield _bookmark(selection.resource, seen)
                bookmark_at_s = now_s + bookmark_s
            try:
                async with asyncio.timeout(max(0.0, min(end_s, bookmark_at_s) - now_s)):
                    news = await queue.get()
            except TimeoutError:
                continue
            if isinstance(news, int):
                seen, bookmark_at_s = max(seen, news), 0.0
            elif news.revision > seen:
                seen = news.revision
                if event := _seen(selection, news):
                    yield event
    finally:
        storage.unsubscribe(queue)


def _seen(selection: Selection, change: Change) -> Json | None:
    """Return a change as this watch sees it: an object that begins to match is added, one that ceases to is deleted."""
    if change.key != selection.resource.stored_as:
        return None
    before, after = change.before, change.after
    thing = after or before
    assert thing is not None
    if selection.namespace and thing["metadata"].get("namespace") != selection.namespace:
        return None
    was = before is not None and selection.matches(before)
    now = after is not None and selection.matches(after)
    if now:
        return _event("MODIFIED" if was else "ADDED", selection.resource, thing)
    if not was or before is None:
        return None
    last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(change.revision)}}
    return _event("DELETED", selection.resource, last)


def _event(kind: str, resource: Resource, thing: Json) -> Json:
    return {"type": kind, "object": shown(resource, thing)}


def _bookmark(resource: Resource, revision: int, *, end_of_initial: bool = False) -> Json:
    metadata: Json = {"resourceVersion": str(revision), "creationTimestamp": None}
    if end_of_initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    thing = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": thing}


def _place(thing: Json) -> str:
    metadata = thing["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _read_token(token: str) -> tuple[int, str]:
    try:
        body = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(body["rv"]), str(body["start"]).rstrip(_LAST)
    except (ValueError, KeyError, TypeError):
        raise bad_request("continue key is not valid: illegal base64 data") from None
