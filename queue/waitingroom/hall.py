"""All rooms of one process: opens those which the documents name, keeps them moving, follows changes of documents and keys.

A reload with a mistake in it changes nothing: the last good documents and keys stay in force.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from rulebook import DocumentErrors, Onsale, load_documents
from rulebook.filestamp import FileStamp, file_stamp
from waitingroom.counts import StoreCalls
from waitingroom.drawfiles import DrawFiles
from waitingroom.ending import end_tasks
from waitingroom.errors import ConfigurationError, StoreUnavailable
from waitingroom.gate.hours import Hours, hours_of
from waitingroom.invitations import Invitations, open_invitations
from waitingroom.keyfiles import load_keyring
from waitingroom.keyring import Keyring
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.settings import QueueSettings
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import StoreClient

WATCH_EVERY_S = 1.0
_AGE_EVERY_S = 10.0

log = structlog.get_logger(__name__)


def load_onsales(path: Path) -> dict[str, Onsale]:
    """Read the onsale documents.

    Raises:
        ConfigurationError: a document has a mistake, or there is none.
    """
    try:
        onsales = dict(load_documents(path).onsales)
    except DocumentErrors as error:
        raise ConfigurationError(str(error)) from error
    if not onsales:
        raise ConfigurationError(f"{path}: holds no document of kind Onsale")
    return onsales


def drawn(onsales: Mapping[str, Onsale]) -> list[str]:
    """Name those whose line is drawn, each of which needs a seed."""
    return [name for name, onsale in onsales.items() if onsale.spec.order == "draw"]


class Hall:
    """The rooms by name. `rooms` and `keyring` are what the handlers work with; `rooms` changes with the documents."""

    def __init__(self, settings: QueueSettings, client: StoreClient) -> None:
        onsales = load_onsales(settings.onsales)
        self.keyring: Keyring = load_keyring(settings.keys, drawn(onsales))
        self.rooms: dict[str, Room] = {}
        self.store_calls = StoreCalls()
        self.on_change: list[Callable[[Mapping[str, Onsale]], None]] = []
        self._settings = settings
        self._check_state(onsales)
        self._client = client
        self._moving: dict[str, asyncio.Task[None]] = {}
        self._preparing: set[asyncio.Task[None]] = set()
        self._running = False
        # A signal and a look at the files may come at once: who looked first must not have the last word.
        self._reading = asyncio.Lock()
        self._seen = _stamp(settings.onsales)
        self._seen_keys = _stamp(settings.keys)
        self._keys_read_s = time.monotonic()
        for onsale in onsales.values():
            self._open(onsale, self._invitations(onsale))

    @property
    def onsales(self) -> dict[str, Onsale]:
        """The documents in force."""
        return {name: room.onsale for name, room in self.rooms.items()}

    def hours(self, onsale: Onsale) -> Hours:
        """Tell when an onsale guards its shop, as its counters know."""
        room = self.rooms.get(onsale.name)
        return hours_of(onsale) if room is None else room.hours

    async def look(self, within_s: float) -> None:
        """Take a first copy of all counters, for the first buyers to find one; a store that is away is not waited for longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(room.move() for room in self.rooms.values()), return_exceptions=True)

    def start(self) -> None:
        """Begin to release and refresh."""
        self._running = True
        for room in self.rooms.values():
            self._moving[room.name] = asyncio.create_task(self._keep_moving(room))
            self._invite(room, room.invitations)

    async def stop(self) -> None:
        """Stop releasing; the rooms keep their last copies."""
        self._running = False
        tasks = [*self._moving.values(), *self._preparing]
        self._moving.clear()
        await end_tasks(tasks)

    async def watch(self) -> None:
        """Reload when a file of documents or keys has changed, for as long as the task lives."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                await self._look_for_changes()
            except Exception:  # later changes are looked for all the same
                log.exception("reload_failed")

    async def _look_for_changes(self) -> None:
        stamp = await asyncio.to_thread(_stamp, self._settings.onsales)
        keys = await asyncio.to_thread(_stamp, self._settings.keys)
        documents_changed, keys_changed = stamp != self._seen, keys != self._seen_keys
        self._seen, self._seen_keys = stamp, keys
        if documents_changed:
            await self.reload()
        elif keys_changed or self._young_keys_are_due:
            await self.reload_keys()

    async def reload(self) -> bool:
        """Put the documents as they are now in force; False, with the reason in the log, if they have a mistake."""
        async with self._reading:
            return await self._reload()

    async def reload_keys(self) -> bool:
        """Work by the keys as they are now; False, with the reason in the log, if one of them has a mistake."""
        async with self._reading:
            return await self._reload_keys()

    async def _reload(self) -> bool:
        try:
            onsales = await asyncio.to_thread(load_onsales, self._settings.onsales)
            keyring = await asyncio.to_thread(load_keyring, self._settings.keys, drawn(onsales))
            invitations = await asyncio.to_thread(self._new_invitations, onsales)
        except ConfigurationError as error:
            log.error("reload_refused", reason=str(error))
            return False
        self._adopt(keyring)
        for name in self.rooms.keys() - onsales.keys():
            await self._close(name)
        for name, onsale in onsales.items():
            room = self.rooms.get(name)
            if room is None:
                self._open(onsale, invitations[name])
            elif room.onsale != onsale:
                if name in invitations:
                    self._invite(room, invitations[name])
                room.change(onsale)
        for follow in self.on_change:
            follow(onsales)
        log.info("reloaded", onsales=sorted(onsales))
        return True

    async def _reload_keys(self) -> bool:
        self._keys_read_s = time.monotonic()
        try:
            keyring = await asyncio.to_thread(load_keyring, self._settings.keys, drawn(self.onsales))
        except ConfigurationError as error:
            log.error("reload_refused", reason=str(error))
            return False
        self._adopt(keyring)
        return True

    @property
    def _young_keys_are_due(self) -> bool:
        """Tell whether a key that only verified when it was read may sign by now."""
        young = self.keyring.young_places or self.keyring.young_passes
        return bool(young) and time.monotonic() - self._keys_read_s >= _AGE_EVERY_S

    def _adopt(self, keyring: Keyring) -> None:
        before = self.keyring.signing_place_kid, self.keyring.signing_pass_kid
        self._keys_read_s = time.monotonic()
        self.keyring.adopt(keyring)
        after = self.keyring.signing_place_kid, self.keyring.signing_pass_kid
        if after != before:
            log.info("keys_changed", places_signed_by=after[0], passes_signed_by=after[1])

    def _new_invitations(self, onsales: Mapping[str, Onsale]) -> dict[str, Invitations | None]:
        """Open those of new onsales and of those whose terms have changed; the others keep the keys they have."""
        return {
            name: self._invitations(onsale)
            for name, onsale in onsales.items()
            if name not in self.rooms or self.rooms[name].onsale.spec.entry_token != onsale.spec.entry_token
        }

    def _invitations(self, onsale: Onsale) -> Invitations | None:
        folder = self._settings.onsales
        return open_invitations(onsale, folder if folder.is_dir() else folder.parent)

    def _invite(self, room: Room, invitations: Invitations | None) -> None:
        room.invitations = invitations
        if invitations is not None and self._running:
            task = asyncio.create_task(invitations.prepare())
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    def _check_state(self, onsales: Mapping[str, Onsale]) -> None:
        """Tell at the start if the draws' records cannot be kept here: a folder that was named is a mistake then."""
        folder = self._settings.state_folder
        if DrawFiles(folder).writable:
            return
        advice = "name a folder that can be written by --state: it keeps the draws' records"
        if self._settings.state is not None:
            raise ConfigurationError(f"state folder {folder}: cannot be written; {advice}")
        if drawn(onsales):
            log.warning("state_unwritable", folder=str(folder), advice=advice)

    def _open(self, onsale: Onsale, invitations: Invitations | None) -> None:
        store = OnsaleStore(self._client, onsale.name, room_settings(onsale), calls=self.store_calls)
        room = Room(
            onsale,
            store,
            self.keyring,
            poll_budget_per_s=self._settings.poll_budget_per_s,
            draw_files=DrawFiles(self._settings.state_folder),
        )
        self.rooms[onsale.name] = room
        self._invite(room, invitations)
        if self._running:
            self._moving[onsale.name] = asyncio.create_task(self._keep_moving(room))

    async def _close(self, name: str) -> None:
        room = self.rooms.pop(name)
        room.frames.close()
        task = self._moving.pop(name, None)
        if task is not None:
            await end_tasks([task])

    async def _keep_moving(self, room: Room) -> None:
        """Release and refresh for as long as the room is open; the store may come and go.

        Whether it still is open is looked at, as on Python 3.11 the store's client may swallow a cancellation.
        """
        reachable = True
        while self._running and self.rooms.get(room.name) is room:
            try:
                await room.move()
                if not reachable:
                    log.info("store_back", onsale=room.name)
                reachable = True
            except StoreUnavailable as error:
                if reachable:
                    log.warning("store_unavailable", onsale=room.name, reason=str(error))
                reachable = False
            except Exception:  # a room that stops moving would stop its sale: say what happened and go on
                log.exception("refresh_failed", onsale=room.name)
            await asyncio.sleep(self._settings.refresh_every_s)


def _stamp(path: Path) -> tuple[tuple[str, FileStamp | None], ...]:
    """Tell a folder's (or file's) state by the names and stamps of its files."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return tuple((str(file), file_stamp(file)) for file in files if file.is_file())
    except OSError:
        return ()
