"""Who may hold which place, as plain Python: one account has one place, one place has one live holder.

Written from the design and not from the scripts. Times are whole microseconds of the store's clock. Every place here is released
as soon as it is issued, and no session ends, as neither is what this model is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CODE_GOOD_US = 600_000_000
MOST_MOVES = 20


@dataclass
class PlaceModel:
    """A place: in which generation it is held, by which device, and in which generation the shop was entered, if at all."""

    name: int
    device: str
    generation: int = 0
    entered_as: int | None = None
    seen_entering: bool = False
    """Whether the store remembers that it was entered; a loss of data leaves the session alone."""


@dataclass
class CodeModel:
    """A code: the place and generation it was made for, until when it is good, and the device that has used it."""

    place: PlaceModel
    generation: int
    ends_us: int
    taker: str | None = None
    dropped: bool = False


@dataclass
class HoldersModel:
    """All places of one onsale."""

    places: list[PlaceModel] = field(default_factory=list)
    accounts: dict[str, PlaceModel] = field(default_factory=dict)
    codes: list[CodeModel] = field(default_factory=list)

    def join(self, device: str) -> PlaceModel:
        """Give a new device a place."""
        self.places.append(PlaceModel(len(self.places), device))
        return self.places[-1]

    def enrol(self, account: str, device: str, *, move: bool) -> PlaceModel | str:
        """Give an account its place on `device`, or say why not."""
        place = self.accounts.get(account)
        if place is None:
            self.accounts[account] = place = self.join(device)
        elif place.device != device:
            if place.seen_entering:
                return "entered"
            if not move:
                return "held"
            if place.generation >= MOST_MOVES:
                return "exhausted"
            self._move(place, device)
        return place

    def issue(self, place: PlaceModel, generation: int, now_us: int) -> str:
        """Make a code for whoever shows `place` in `generation`; "issued", or why not."""
        if generation < place.generation:
            return "moved"
        if place.seen_entering or place.entered_as == generation:
            return "entered"
        if generation >= MOST_MOVES:
            return "exhausted"
        self._drop_codes(place)
        self.codes.append(CodeModel(place, generation, now_us + CODE_GOOD_US))
        return "issued"

    def redeem(self, code: CodeModel, device: str, now_us: int) -> PlaceModel | str:
        """Move a code's place to `device`, or say why not."""
        if code.dropped or now_us >= code.ends_us or code.taker not in {None, device}:
            return "code"
        if code.taker is None:
            code.taker = device
            self._move(code.place, device, by=code)
        return code.place

    def claim(self, place: PlaceModel, generation: int) -> str:
        """Let whoever shows `place` in `generation` enter."""
        if generation < place.generation:
            return "moved"
        outcome = "admitted" if place.entered_as is None else "again"
        place.entered_as, place.seen_entering = generation, True
        self._drop_codes(place)
        return outcome

    def lose_data(self) -> None:
        """Forget what neither processes nor buyers can put back: codes, and who has entered."""
        for code in self.codes:
            code.dropped = True
        for place in self.places:
            place.seen_entering = False

    def _move(self, place: PlaceModel, device: str, by: CodeModel | None = None) -> None:
        if by is None:
            self._drop_codes(place)
        place.generation += 1
        place.device = device

    def _drop_codes(self, place: PlaceModel) -> None:
        for code in self.codes:
            if code.place is place:
                code.dropped = True
