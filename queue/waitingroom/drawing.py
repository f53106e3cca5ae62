"""The draw of one onsale in this process: made and published at the opening, kept on disk, put back after a loss.

No position is shown before the signed record stands in the store and, where the disk can be written, on it. A record is put back
from the disk or from a buyer if our signature is on it, its seed is the one that was announced, and it was drawn for this sale
and not for an earlier one of the same name.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import structlog

from rulebook import Onsale
from waitingroom.drawfiles import DrawFiles
from waitingroom.drawrecord import Beacon, DrawnPool, DrawRecord, sign_record, verify_record
from waitingroom.errors import InvalidToken, StateUnwritable
from waitingroom.keyring import Keyring
from waitingroom.snapshot import Snapshot
from waitingroom.store.client import OnsaleStore

log = structlog.get_logger(__name__)


class Drawing:
    """What is known of the draw. `pool` is None until a position may be shown."""

    def __init__(
        self, onsale: Onsale, store: OnsaleStore, keyring: Keyring, files: DrawFiles | None = None
    ) -> None:
        self.onsale = onsale
        self.pool: DrawnPool | None = None
        self.seed_is_spent = False
        self._store = store
        self._keyring = keyring
        self._files = files
        self._text = ""
        self._refused = ""
        if files is not None:
            self._recall(files.read(onsale.name))

    @property
    def keeps_record(self) -> bool:
        """Tell whether the record is, or could be, kept on disk."""
        return self._files is not None and self._files.writable

    async def follow(self, snapshot: Snapshot) -> Snapshot:
        """Publish the draw once the size of the pre-queue is frozen; returns the snapshot with the record in force.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        if not snapshot.pool or snapshot.awaits_beacon:
            return snapshot
        if not snapshot.draw_record and (
            snapshot.settling or self._keyring.commitment(self.onsale.name) is None
        ):
            # Another process may be about to put back the record which the store has lost, or is the one that has the seed.
            return snapshot
        text = snapshot.draw_record or await self._publish(snapshot)
        if text != self._text and not (self.pool is not None and self.pool.record.size):
            await self._accept(text)
        return replace(snapshot, draw_record=text) if self.pool is not None else snapshot

    def put_back(self, text: str) -> bool:
        """Take a record that a buyer shows, for the store to have again; False if it is not the record of this sale.

        Only a process which knows of no draw needs one.
        """
        if self.pool is not None and self.pool.record.size:
            return text == self._text
        try:
            record = verify_record(text, self._keyring.pass_keys)
        except InvalidToken:
            return False
        if not self._is_of_this_sale(record):
            return False
        self._store.remember_draw(text, record.pool)
        log.warning("draw_record_shown_by_buyer", onsale=self.onsale.name, size=record.size)
        return True

    def _recall(self, text: str) -> None:
        """Offer the store the record that was kept on disk."""
        if not text:
            return
        try:
            record = verify_record(text, self._keyring.pass_keys)
        except InvalidToken as error:
            log.error("draw_record_on_disk_refused", onsale=self.onsale.name, reason=str(error))
            return
        if self._is_of_this_sale(record):
            self._store.remember_draw(text, record.pool)
        elif record.onsale == self.onsale.name and record.commitment == self._keyring.commitment(
            record.onsale
        ):
            self.seed_is_spent = True
            log.error("draw_seed_spent", onsale=self.onsale.name)

    def _is_of_this_sale(self, record: DrawRecord) -> bool:
        spec = self.onsale.spec
        begins = spec.prequeue or spec.opens
        return (
            record.onsale == self.onsale.name
            and record.size > 0
            and record.commitment == self._keyring.commitment(record.onsale)
            and (record.opens_at_s == _seconds(spec.opens) or record.drawn_at_s >= _seconds(begins))
        )

    async def _publish(self, snapshot: Snapshot) -> str:
        seed = self._keyring.draw_seeds[self.onsale.name].hex()
        beacon = Beacon(snapshot.beacon_source, snapshot.beacon) if snapshot.beacon_source else None
        opens_at_s = _seconds(self.onsale.spec.opens)
        record = DrawRecord(self.onsale.name, snapshot.pool, seed, beacon, opens_at_s, snapshot.at_s)
        return await self._store.publish_draw(sign_record(record, self._keyring))

    async def _accept(self, text: str) -> None:
        try:
            record = verify_record(text, self._keyring.pass_keys)
        except InvalidToken as error:
            if text != self._refused:
                self._refused = text
                advice = "was it signed by a key that is missing in this key folder?"
                log.error("draw_record_refused", onsale=self.onsale.name, reason=str(error), advice=advice)
            return
        # From here on the store may lose it: we have it.
        self._store.remember_draw(text, record.pool)
        if self._files is not None and record.size:
            try:
                await asyncio.to_thread(self._files.keep, self.onsale.name, text)
            except StateUnwritable as error:
                log.error("draw_record_not_kept", onsale=self.onsale.name, reason=str(error))
        self.pool = DrawnPool(record)
        self._text = text
        log.info("draw_published", onsale=self.onsale.name, size=record.size)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0
