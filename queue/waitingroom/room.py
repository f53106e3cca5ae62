"""One onsale's room in this process: its copy of the counters, its draw, and the moves a buyer can make.

Status reads the copy alone; join and claim go to the store. HTTP, cookies and languages are `web`'s.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace

import structlog

from rulebook import Onsale
from rulebook.onsale import DrawTerms
from waitingroom.counts import Requests
from waitingroom.drawfiles import DrawFiles
from waitingroom.drawing import Drawing
from waitingroom.drawrecord import DrawnPool
from waitingroom.errors import MoveRefused, StoreUnavailable
from waitingroom.eta import NO_ETA, Eta, Range
from waitingroom.forecaster import Forecaster
from waitingroom.frames import Frames
from waitingroom.gate.hours import hours_of
from waitingroom.invitations import Invitations
from waitingroom.joiner import Joiner
from waitingroom.keyring import Keyring
from waitingroom.livesessions import LiveSessions
from waitingroom.moves import Holder
from waitingroom.pace import Terms
from waitingroom.placebook import PlaceBook
from waitingroom.places import Place
from waitingroom.polling import interval_s
from waitingroom.roomsettings import beacon_source_of, room_settings
from waitingroom.snapshot import Snapshot
from waitingroom.standing import Standing, locate, stand
from waitingroom.store.client import Claim, ClaimOutcome, Numbered, OnsaleStore, SessionTimes
from waitingroom.store.holders import Enrolment
from waitingroom.tags import account_tag, code_tag, device_tag, new_code
from waitingroom.turns import Turns

STALE_AFTER_S = 2.0
_DIFFERS_FOR_S = 120.0
"""Processes read a changed document one after another; on Kubernetes that takes a minute or two."""
_OVERTAKEN_S = 5.0  # no answer of the store is waited for as long as that

log = structlog.get_logger(__name__)


class Room:
    """The waiting room of one onsale. Call `refresh` a few times a second."""

    def __init__(
        self,
        onsale: Onsale,
        store: OnsaleStore,
        keyring: Keyring,
        *,
        poll_budget_per_s: float,
        draw_files: DrawFiles | None = None,
    ) -> None:
        self.onsale = onsale
        self.name = onsale.name
        self.drawn = onsale.spec.order == "draw"
        self.snapshot: Snapshot | None = None
        self.hours = hours_of(onsale)
        self.eta: Eta = NO_ETA
        self.frames = Frames()
        self.requests = Requests()
        self.listeners = 0
        """How many follow the frames here."""
        self._forecaster = Forecaster(_terms(onsale))
        self.invitations: Invitations | None = None
        """Who may join, where entry is by token: set by whoever opens the room."""
        self.entries_refused: Counter[str] = Counter()
        """How often a token was refused here, by reason."""
        self._store = store
        self._keyring = keyring
        self._poll_budget_per_s = poll_budget_per_s
        self._joiner: Joiner[str, Numbered] = Joiner(store.join)
        self._enroller: Joiner[Enrolment, Holder | MoveRefused] = Joiner(store.holders.enrol)
        self._book = PlaceBook(onsale.name, store, keyring)
        self.place = self._book.read
        """Reads a buyer's token; see `PlaceBook.read`."""
        self.session_of = self._book.session_of
        """Names the session which a place opens."""
        self._draw_files = draw_files
        self._drawing = Drawing(onsale, store, keyring, draw_files) if self.drawn else None
        self._refreshed_at = 0.0
        self._configured = False
        self._config = room_settings(onsale)["config"]
        self._in_force = (0, "")
        self._differs_since_s: float | None = None
        self._turns = Turns(onsale.spec.admission.claim_within_s)
        self.sessions = LiveSessions(store, lambda: self.onsale.spec.session.max_s)
        """The sessions which this process knows to be live."""

    @property
    def stale(self) -> bool:
        """Tell whether the copy of the counters is older than it should be: the store does not answer."""
        return time.monotonic() - self._refreshed_at > STALE_AFTER_S

    @property
    def poll_interval_s(self) -> float | None:
        """How long the last in line is told to wait before asking again; None while there is no copy yet."""
        waiting = self.snapshot.waiting if self.snapshot is not None else None
        return None if waiting is None else interval_s(waiting, waiting, self._poll_budget_per_s)

    @property
    def newcomers_wait_s(self) -> Range | None:
        """The range of the wait that whoever joins now will be told; None where none can be named."""
        copy = self.snapshot
        if copy is None or (copy.closes_at_s is not None and copy.at_s >= copy.closes_at_s):
            return None
        return self.eta.prequeue_s if self.drawn and self._draw is None else self.eta.range_s(copy.waiting)

    @property
    def commitment(self) -> str | None:
        """The hash of the draw's seed, public from the day the onsale is announced."""
        return self._keyring.commitment(self.name) if self.drawn else None

    @property
    def keeps_draw(self) -> bool:
        """Tell whether the draw's record is kept on disk as well."""
        return self._drawing is not None and self._drawing.keeps_record

    @property
    def seed_is_spent(self) -> bool:
        """Tell whether the seed is known to everybody, from an earlier draw."""
        return self._drawing is not None and self._drawing.seed_is_spent

    def put_back_draw(self, record: str) -> bool:
        """Take the draw's record from a buyer, after a loss; False if it is not the one of this sale."""
        return self._drawing is not None and self._drawing.put_back(record)

    @property
    def _draw(self) -> DrawnPool | None:
        return self._drawing.pool if self._drawing is not None else None

    async def configure(self) -> None:
        """Put the document's settings in force in the store.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        await self._accept(await self._store.configure(room_settings(self.onsale)))

    def change(self, onsale: Onsale) -> None:
        """Follow a changed document; its settings go to the store with the next move.

        The order of a line is not changed while it stands: `order`, and what was announced of the draw, stay as they were.
        """
        spec = self.onsale.spec
        if (onsale.spec.order, onsale.spec.draw) != (spec.order, spec.draw):
            log.warning("order_kept", onsale=self.name, order=spec.order)
            kept = {"order": spec.order, "draw": spec.draw}
            onsale = onsale.model_copy(update={"spec": onsale.spec.model_copy(update=kept)})
        self.onsale = onsale
        self._turns.claim_within_s = onsale.spec.admission.claim_within_s
        self.hours = hours_of(onsale, self.snapshot)
        if self._drawing is not None:
            self._drawing.onsale = onsale
        self._forecaster.terms = _terms(onsale)
        self._config = room_settings(onsale)["config"]
        self._configured = False

    async def move(self) -> None:
        """Put changed settings in force, else release what is due; either way with a new copy of the counters.

        Raises:
            StoreUnavailable: the store did not answer; the last copy stays.
        """
        if self._configured:
            await self.refresh()
        else:
            # Said beforehand: a document that changes while the store answers has to be put in force as well.
            self._configured = True
            try:
                await self.configure()
            except BaseException:
                self._configured = False
                raise

    async def refresh(self) -> None:
        """Release what is due and take a new copy of the counters.

        Raises:
            StoreUnavailable: the store did not answer; the last copy stays.
        """
        snapshot = await self._store.advance(self.sessions.told_epoch)
        await self._accept(snapshot)
        await self.sessions.tell(snapshot)
        await self._book.restore_holders()

    async def join(self, device: str) -> tuple[str, Place]:
        """Give `device` (a nonce) a place; a device which just joined gets the same one.

        Raises:
            StoreUnavailable: the store did not answer.
            JoinRefused: joining has not begun or is over.
        """
        numbered = await self._joiner.number_for(device)
        return self._book.sign(
            Place(self.name, numbered.epoch, numbered.number, numbered.at_ms, device.encode())
        )

    async def join_for(self, subject: str, device: str, *, move: bool = False) -> tuple[str, Place]:
        """Give the account which the shop calls `subject` its one place, on `device`; with `move`, even from another device.

        Raises:
            StoreUnavailable: the store did not answer.
            JoinRefused: joining has not begun or is over.
            MoveRefused: another device holds the place: held (not asked to move it), entered or exhausted.
        """
        key = self._keyring.tag_key
        enrolment = Enrolment(account_tag(key, self.name, subject), device_tag(key, device.encode()), move)
        holder = await self._enroller.number_for(enrolment)
        if isinstance(holder, MoveRefused):
            raise MoveRefused(holder.reason)
        return self._book.sign_for(holder, device)

    async def issue_code(self, place: Place) -> tuple[str, float]:
        """Make a code with which `place` can be moved to another device; returns how many seconds it is good for as well.

        Raises:
            StoreUnavailable: the store did not answer.
            MoveRefused: moved, entered or exhausted.
        """
        found = locate(place, self.snapshot, self._draw, drawn=self.drawn) if self.snapshot else None
        line, position = (found[0].epoch, found[1]) if found else (place.epoch, None)
        code = new_code()
        tag = code_tag(self._keyring.tag_key, self.name, code)
        assert tag is not None  # noqa: S101 - our own codes are codes
        issued = await self._store.holders.issue_code(
            tag, self._book.holder_of(place), line, position, self.session_of(place)
        )
        return code, issued.ends_at_s - issued.at_s

    async def redeem_code(self, code: str, device: str) -> tuple[str, Place]:
        """Move the place for which a code stands to `device`; whoever held it does so no more.

        Raises:
            StoreUnavailable: the store did not answer; the device may ask again.
            MoveRefused: code, busy or moved.
        """
        key = self._keyring.tag_key
        tag = code_tag(key, self.name, code)
        if tag is None:
            raise MoveRefused("code")
        return self._book.sign_for(
            await self._store.holders.redeem_code(tag, device_tag(key, device.encode())), device
        )

    def is_moved(self, place: Place) -> bool:
        """Tell whether another device is known to hold `place` now. Of moves long ago only a claim finds out."""
        return self._store.moves.is_moved(place)

    @property
    def walk_in_now(self) -> bool:
        """Tell whether a newcomer can go straight through: a room without opening, nobody waiting, tokens there."""
        snapshot = self.snapshot
        if snapshot is None or self.onsale.spec.opens is not None or snapshot.hold:
            return False
        return snapshot.waiting <= 0 and snapshot.tokens >= 1

    def standing(self, place: Place) -> Standing:
        """Tell where a place stands, from this process's copy of the counters.

        Raises:
            StoreUnavailable: there is no copy yet.
        """
        if self.snapshot is None:
            raise StoreUnavailable("the room has not reached its store yet")
        return stand(
            place,
            self.snapshot,
            self._draw,
            drawn=self.drawn,
            poll_budget_per_s=self._poll_budget_per_s,
            turns=self._turns,
            eta=self.eta,
        )

    def line_of(self, place: Place) -> int | None:
        """Return the epoch in whose line a place stands; None where it is not known yet."""
        found = locate(place, self.snapshot, self._draw, drawn=self.drawn) if self.snapshot else None
        return found[0].epoch if found else None

    async def claim(self, place: Place) -> Claim:
        """Exchange a released place for its session.

        Raises:
            StoreUnavailable: the store did not answer; claiming again is safe.
        """
        snapshot = self.snapshot
        found = locate(place, snapshot, self._draw, drawn=self.drawn) if snapshot else None
        if found is None:
            return Claim(ClaimOutcome.WAITING, snapshot.at_s if snapshot else 0.0)
        line, position = found
        limits = self.onsale.spec.session
        session = self.session_of(place)
        earlier = [
            self.session_of(replace(place, generation=generation))
            for generation in reversed(range(place.generation))
        ]
        claim = await self._store.claim(
            line.epoch,
            position,
            session,
            limits.length_s,
            limits.max_s,
            self._book.holder_of(place),
            earlier,
        )
        if claim.outcome is ClaimOutcome.MOVED:
            self._store.moves.note(place.epoch, place.number, place.generation + 1)
        if claim.expires_at_s:
            for ended in earlier:
                self.sessions.forget(ended)
            self.sessions.note(session, SessionTimes(claim.expires_at_s, claim.ends_at_s))
        return claim

    async def _accept(self, snapshot: Snapshot) -> None:
        self._refreshed_at = time.monotonic()
        self._compare_document(snapshot)
        settling = self.snapshot is not None and snapshot.settling and snapshot.epoch > self.snapshot.epoch
        if not settling:
            self._follow_order(snapshot)
        if self._drawing is not None:
            snapshot = await self._drawing.follow(snapshot)
        if settling:
            # Another process may have called buyers further back than this one knows. What was true before stays true: it is told
            # with the time that it was true at, until everybody has put back what they know.
            return
        if self.snapshot is None or _is_newer(snapshot, self.snapshot):
            self.snapshot = snapshot
            self._turns.note(snapshot)
            self.hours = hours_of(self.onsale, snapshot)
            self.eta = self._forecaster.see(snapshot)
            self.frames.publish(snapshot, self.eta)

    def _follow_order(self, snapshot: Snapshot) -> None:
        """Take on the order of the line in the store: a document which came later says how others will stand, not these."""
        spec = self.onsale.spec
        in_force = snapshot.order, snapshot.beacon_source
        if not snapshot.order or in_force == (spec.order, beacon_source_of(self.onsale)):
            return
        log.warning("order_kept", onsale=self.name, order=snapshot.order)
        terms = DrawTerms.model_construct(beacon=snapshot.beacon_source) if snapshot.beacon_source else None
        kept = {"order": snapshot.order, "draw": terms}
        self.onsale = self.onsale.model_copy(update={"spec": spec.model_copy(update=kept)})
        self._store.keep_settings(room_settings(self.onsale))
        self.drawn = snapshot.order == "draw"
        if not self.drawn:
            self._drawing = None
        elif self._drawing is None:
            self._drawing = Drawing(self.onsale, self._store, self._keyring, self._draw_files)
        else:
            self._drawing.onsale = self.onsale

    def _compare_document(self, snapshot: Snapshot) -> None:
        """Notice that the store goes by another document than this process.

        One that was in force and is not in a new epoch was lost by the store, and is put in force again. Else another process has
        put its own in force: a newer one, which will be read here as well, or an older one, and an operator has to look.
        """
        (epoch, config), self._in_force = self._in_force, (snapshot.epoch, snapshot.config)
        if not snapshot.config or snapshot.config == self._config:
            self._differs_since_s = None
            return
        if snapshot.epoch > epoch and config == self._config:
            log.warning("document_put_back", onsale=self.name)
            self._configured = False
        now_s = time.monotonic()
        if self._differs_since_s is None:
            self._differs_since_s = now_s
        elif now_s - self._differs_since_s >= _DIFFERS_FOR_S:
            self._differs_since_s = math.inf
            advice = "do all processes read the same document? start again those which read an older one, then this one"
            log.warning("document_overridden", onsale=self.name, advice=advice)


def _is_newer(snapshot: Snapshot, known: Snapshot) -> bool:
    """Tell whether a copy is to be taken.

    One that is a little older was overtaken by another call; one that is much older comes of a store whose clock has gone back.
    """
    return (
        snapshot.epoch > known.epoch
        or snapshot.at_s >= known.at_s
        or snapshot.at_s < known.at_s - _OVERTAKEN_S
    )


def _terms(onsale: Onsale) -> Terms:
    admission = onsale.spec.admission
    return Terms(admission.rate_per_s, onsale.spec.session.length_s, admission.capacity)
