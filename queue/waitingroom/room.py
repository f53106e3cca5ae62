"""One onsale's room in this process: its copy of the counters, its draw, and the moves a buyer can make.

Status reads the copy alone; join and claim go to the store. HTTP, cookies and languages are `web`'s.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace

from rulebook import Onsale
from waitingroom.counts import Requests
from waitingroom.drawfiles import DrawFiles
from waitingroom.drawing import Drawing
from waitingroom.drawrecord import DrawnPool
from waitingroom.errors import MoveRefused, StoreUnavailable
from waitingroom.eta import NO_ETA, Eta, Range
from waitingroom.following import Following, in_order_of_line
from waitingroom.forecaster import Forecaster
from waitingroom.frames import Frames
from waitingroom.gate.hours import hours_of
from waitingroom.invitations import Invitations
from waitingroom.joiner import Joiner
from waitingroom.joining import is_of_this_sale
from waitingroom.keyring import Keyring
from waitingroom.livesessions import LiveSessions
from waitingroom.moves import Holder
from waitingroom.pace import Terms
from waitingroom.placebook import PlaceBook
from waitingroom.places import Place
from waitingroom.questions import Questions
from waitingroom.reach import furthest_released
from waitingroom.roomsettings import room_settings
from waitingroom.snapshot import Line, Snapshot
from waitingroom.standing import Standing, locate, stand
from waitingroom.store.client import Claim, ClaimOutcome, Numbered, OnsaleStore, SessionTimes
from waitingroom.store.holders import Enrolment
from waitingroom.tags import account_tag, code_tag, device_tag, new_code
from waitingroom.turns import Turns

STALE_AFTER_S = 2.0
_OVERTAKEN_S = 5.0  # no answer of the store is waited for as long as that
_FRESH_S = 1.0
"""A copy which was asked for so lately tells whose turn cannot have come."""
_REACH_S = 5 * _FRESH_S  # more than the copy's age: another process may have put a higher rate in force since


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
        self.questions = Questions(onsale.spec.admission, poll_budget_per_s)
        self.asking = self.questions.of_nobody()
        """How often those ask who wait, by the present copy."""
        self._joiner: Joiner[str, Numbered] = Joiner(store.join)
        self._enroller: Joiner[Enrolment, Holder | MoveRefused] = Joiner(store.holders.enrol)
        self._book = PlaceBook(onsale.name, store, keyring, self._is_of_this_sale)
        self.place = self._book.read
        """Reads a buyer's token; see `PlaceBook.read`."""
        self.session_of = self._book.session_of
        """Names the session which a place opens."""
        self._draw_files = draw_files
        self._drawing = Drawing(onsale, store, keyring, draw_files) if self.drawn else None
        self._refreshed_at = 0.0
        self._copied_since_s = -math.inf
        """When the present copy was asked for, by the monotonic clock."""
        self._following = Following(onsale)
        self._turns = Turns(onsale.spec.admission.claim_within_s)
        self.sessions = LiveSessions(store, lambda: self.onsale.spec.session.max_s)
        """The sessions which this process knows to be live."""

    @property
    def stale(self) -> bool:
        """Tell whether the copy of the counters is older than it should be: the store does not answer."""
        return time.monotonic() - self._refreshed_at > STALE_AFTER_S

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
        asked_at_s = time.monotonic()
        await self._accept(await self._store.configure(room_settings(self.onsale)), asked_at_s)

    def change(self, onsale: Onsale) -> None:
        """Follow a changed document, but for the order of the line; its settings go to the store with the next move."""
        self.onsale = onsale = self._following.change(self.onsale, onsale)
        self._turns.claim_within_s = onsale.spec.admission.claim_within_s
        self.hours = hours_of(onsale, self.snapshot)
        if self._drawing is not None:
            self._drawing.onsale = onsale
        self._forecaster.terms = _terms(onsale)
        self.questions.limits = onsale.spec.admission

    async def move(self) -> None:
        """Put changed settings in force, else release what is due; either way with a new copy of the counters.

        Raises:
            StoreUnavailable: the store did not answer; the last copy stays.
        """
        if not self._following.owed:
            await self.refresh()
            return
        # Said beforehand: a document that changes while the store answers has to be put in force as well.
        self._following.owed = False
        try:
            await self.configure()
        except BaseException:
            self._following.owed = True
            raise

    async def refresh(self) -> None:
        """Release what is due and take a new copy of the counters.

        Raises:
            StoreUnavailable: the store did not answer; the last copy stays.
        """
        asked_at_s = time.monotonic()
        snapshot = await self._store.advance(self.sessions.told_epoch)
        await self._accept(snapshot, asked_at_s)
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
        found = self._locate(place)
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
        """Tell whether another device is known to hold `place` now. Of moves long ago only a claim near its turn finds out."""
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
            asking=self.asking,
            turns=self._turns,
            eta=self.eta,
        )

    def line_of(self, place: Place) -> int | None:
        """Return the epoch in whose line a place stands; None where it is not known yet."""
        found = self._locate(place)
        return found[0].epoch if found else None

    def waits_for_sure(self, place: Place) -> bool:
        """Tell whether the turn of `place` cannot have come, as the copy of the counters knows; if it may have, ask the store.

        Only for the line in which numbers are issued now: of an older one the store may have lost how far it was released.
        """
        found = self._locate(place)
        return found is None or self._is_out_of_reach(*found)

    async def claim(self, place: Place) -> Claim:
        """Exchange a released place for its session; a place whose turn cannot have come is told so without the store.

        Raises:
            StoreUnavailable: the store did not answer; claiming again is safe.
        """
        found = self._locate(place)
        if found is None or self._is_out_of_reach(*found):
            return Claim(ClaimOutcome.WAITING, self.snapshot.at_s if self.snapshot else 0.0)
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

    def _locate(self, place: Place) -> tuple[Line, int] | None:
        """Return the line in which `place` stands, and its position there; None while either is unknown here."""
        return locate(place, self.snapshot, self._draw, drawn=self.drawn) if self.snapshot else None

    def _is_of_this_sale(self, epoch: int) -> bool | None:
        return is_of_this_sale(epoch, self.onsale, self.snapshot)

    def _is_out_of_reach(self, line: Line, position: int) -> bool:
        copy, limits = self.snapshot, self.onsale.spec.admission
        return (
            copy is not None
            and line.epoch == copy.epoch
            and not copy.settling
            and self._following.are_in_force(copy)
            and time.monotonic() - self._copied_since_s <= _FRESH_S
            and position > furthest_released(copy, line, limits.rate_per_s, limits.claim_within_s, _REACH_S)
        )

    async def _accept(self, snapshot: Snapshot, asked_at_s: float) -> None:
        self._refreshed_at = time.monotonic()
        self._following.compare(snapshot, self._refreshed_at)
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
            self._copied_since_s = asked_at_s
            self._turns.note(snapshot)
            self._book.decide()
            self.hours = hours_of(self.onsale, snapshot)
            self.eta = self._forecaster.see(snapshot)
            self.asking = self.questions.of(snapshot, self._draw)
            self.frames.publish(snapshot, self.eta, self.asking)

    def _follow_order(self, snapshot: Snapshot) -> None:
        onsale = in_order_of_line(self.onsale, snapshot)
        if onsale is None:
            return
        self.onsale = onsale
        self._store.keep_settings(room_settings(onsale))
        self.drawn = snapshot.order == "draw"
        if not self.drawn:
            self._drawing = None
        elif self._drawing is None:
            self._drawing = Drawing(onsale, self._store, self._keyring, self._draw_files)
        else:
            self._drawing.onsale = onsale


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
