"""Short ways to write what the figures are counted from. Every opening is at OPENS."""

from __future__ import annotations

from tidegate.demo.records import BuyerRecord, Outcome, RateSample, ServedEntry, ShopVisit, Step
from tidegate.demo.shapes import Kind

OPENS = 1000.0


def a_buyer(
    buyer: int,
    *,
    position: int | None = None,
    waiting: float | None = None,
    released: float | None = None,
    admitted: float | None = None,
    kind: Kind = Kind.PLAIN,
    outcome: Outcome = Outcome.SERVED,
    arrived: float = OPENS,
    sessions: tuple[str, ...] = (),
    visits: tuple[ShopVisit, ...] = (),
    no_place: int = 0,
    numbers: tuple[tuple[int, int], ...] | None = None,
    positions: tuple[tuple[int, int], ...] | None = None,
    reasons: tuple[str, ...] = (),
) -> BuyerRecord:
    """A buyer of epoch 1; position and number are the same unless told otherwise."""
    at = position if position is not None else buyer + 1
    return BuyerRecord(
        buyer=buyer,
        kind=kind,
        arrived_s=arrived,
        outcome=outcome,
        numbers=((1, at),) if numbers is None else numbers,
        positions=((1, at),) if positions is None else positions,
        no_place=no_place,
        last_waiting_as_of_s=waiting,
        first_released_as_of_s=released,
        sessions=sessions,
        admitted_s=admitted,
        visits=visits,
        reasons=reasons,
    )


def a_checkout(begun: float, latency: float = 0.5, status: int = 200) -> ShopVisit:
    """One request for the checkout."""
    return ShopVisit(Step.CHECKOUT, status, begun, latency)


def seen(session: str, at: float, buyer: int | None = None) -> ServedEntry:
    """The shop saw a session on its landing page."""
    return ServedEntry(at, session, buyer, Step.LANDING, "begin")


def steady(rate: float, until: float, *, burst: int = 1, start: float = OPENS - 5.0) -> list[RateSample]:
    """A rate that never changes, sampled five times a second."""
    count = int((until - start) * 5) + 1
    return [RateSample(start + index / 5, rate, burst) for index in range(count)]
