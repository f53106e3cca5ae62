"""What buyers are told of their wait in a sale, and whether it was true: the room's forecaster on the sale's own counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from waitingroom.forecaster import Forecaster
from waitingroom.pace import Terms
from waitingroom.polling import Asking
from waitingroom.snapshot import Snapshot

Told = tuple[float, float, float]
"""When something was told, and the ends of the range, in seconds."""


@dataclass(frozen=True, slots=True)
class Truth:
    """How true it was, by the count of `tests.waitingroom.eta_runs`.

    `first` is the share of buyers whose first range held; `later` the mean share of each buyer's later ranges which held; `width`
    the mean width of the first ranges, relative to their middle.
    """

    buyers: int
    first: float
    later: float
    width: float


class Waits:
    """Asks for every buyer as a page does: on joining, and again whenever the answer said so."""

    def __init__(self, buyers: int, terms: Terms) -> None:
        self.told: list[list[Told]] = [[] for _ in range(buyers)]
        self._forecaster = Forecaster(terms)
        self._asking: dict[int, list[int]] = {}

    def join(self, buyers: Sequence[int], now_s: float) -> None:
        """Have those who join now ask at once."""
        self._asking.setdefault(int(now_s), []).extend(buyers)

    def tell(self, snapshot: Snapshot, asking: Asking, position_of: Mapping[int, int], now_s: float) -> None:
        """Answer whoever asks by now and still waits; buyers without a position wait for the draw."""
        eta = self._forecaster.see(snapshot)
        released = snapshot.lines[-1].released
        for index in self._asking.pop(int(now_s), ()):
            position = position_of.get(index)
            if position is None:
                ahead, told = 0, eta.prequeue_s
            elif position <= released:
                continue
            else:
                ahead = position - released - 1
                told = eta.range_s(ahead)
            if told is not None:
                self.told[index].append((now_s, *told))
            next_s = now_s + asking.retry_after_s(ahead, index)
            self._asking.setdefault(max(int(next_s), int(now_s) + 1), []).append(index)


def truth_of(told: Sequence[Sequence[Told]], turns_s: Sequence[float | None]) -> Truth | None:
    """Compare what was told with when turns came; None where nobody was told anything."""
    firsts: list[bool] = []
    laters: list[float] = []
    widths: list[float] = []
    for ranges, turn_s in zip(told, turns_s, strict=True):
        if not ranges or turn_s is None:
            continue
        held = [low_s <= turn_s - at_s <= high_s for at_s, low_s, high_s in ranges]
        firsts.append(held[0])
        laters += [mean(held[1:])] if held[1:] else []
        _, low_s, high_s = ranges[0]
        widths += [2.0 * (high_s - low_s) / (high_s + low_s)] if high_s > 0.0 else []
    if not firsts:
        return None
    return Truth(len(firsts), mean(firsts), mean(laters) if laters else 1.0, mean(widths) if widths else 0.0)
