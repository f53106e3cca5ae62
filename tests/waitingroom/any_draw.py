"""Any draw that there can be, and a place to look for in it: what the tests hold all verifiers to (P6)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from hypothesis import strategies as st

from waitingroom.drawrecord import Beacon, DrawnPool, DrawRecord

LARGEST_PART = 120


@dataclass(frozen=True)
class Sought:
    """A place of one of the epochs of a draw: a number beyond those that took part joined after the opening."""

    record: DrawRecord
    epoch: int
    number: int

    @property
    def position(self) -> int | None:
        """Where the room says that it stands; None if it took no part."""
        return DrawnPool(self.record).position(self.epoch, self.number)


_times = st.floats(0, 4e9)
_texts = st.text(min_size=1, max_size=30)


@st.composite
def _pools(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Draw the pre-queues of one to four epochs, oldest first, in one of which at least somebody stands."""
    sizes = draw(st.lists(st.integers(0, LARGEST_PART), min_size=1, max_size=4).filter(any))
    first, *gaps = draw(st.tuples(*([st.integers(1, 2**41)] * len(sizes))))
    return tuple(zip(accumulate([first, *gaps]), sizes, strict=True))


@st.composite
def sought(draw: st.DrawFn) -> Sought:
    """Draw a record and a place."""
    record = DrawRecord(
        onsale=draw(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)),
        pool=draw(_pools()),
        seed=draw(st.binary(min_size=32, max_size=32)).hex(),
        beacon=draw(st.none() | st.builds(Beacon, _texts, _texts)),
        opens_at_s=draw(_times),
        drawn_at_s=draw(_times),
    )
    epoch, size = draw(st.sampled_from(record.pool))
    return Sought(record, epoch, draw(st.integers(1, size + 2)))
