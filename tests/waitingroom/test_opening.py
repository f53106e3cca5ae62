"""When a large pre-queue hears of the draw: all who listen at once, all who ask within the poll budget."""

import json
from functools import lru_cache

import pytest

from tests.waitingroom.samples import KEYRING, quiet_snapshot
from waitingroom.drawrecord import DrawnPool, DrawRecord, sign_record, verify_record
from waitingroom.eta import NO_ETA
from waitingroom.frames import Frames
from waitingroom.places import Place
from waitingroom.polling import Asking, asking_of
from waitingroom.snapshot import Line, Snapshot
from waitingroom.standing import stand

BUDGET_PER_S = 1_000.0
CLAIM_WITHIN_S = 120.0
RATE_PER_S = 20.0
OPENS_S = 10_000.0
SAMPLES = 20_000
crowds = pytest.mark.parametrize("waiting", [300_000, 1_000_000])


def before(waiting: int, **changes: object) -> Snapshot:
    """Return the counters ten seconds before the doors."""
    early = {"at_s": OPENS_S - 10, "opens_at_s": OPENS_S, "lines": (Line(1, waiting, 0, 0),)}
    return quiet_snapshot(**(early | changes))


def asking(snapshot: Snapshot, budget_per_s: float = BUDGET_PER_S, draw: DrawnPool | None = None) -> Asking:
    """Return how often those who wait are to ask."""
    return asking_of(
        snapshot, budget_per_s, ceiling_per_s=RATE_PER_S, claim_within_s=CLAIM_WITHIN_S, draw=draw
    )


def asks_again_s(snapshot: Snapshot, *, drawn: bool, budget_per_s: float = BUDGET_PER_S) -> dict[int, float]:
    """Return when (seconds after the opening) buyers of the whole line, by number, are told to ask again."""
    waiting, pace = snapshot.waiting, asking(snapshot, budget_per_s)
    return {
        number: snapshot.at_s
        + stand(
            Place("cactus", 1, number, 0, b"device"),
            snapshot,
            None,
            drawn=drawn,
            asking=pace,
        ).retry_after_s
        - OPENS_S
        for number in range(1, waiting + 1, waiting // SAMPLES)
    }


def most_per_s(moments: list[float], each: int) -> float:
    """Return the most questions/s in any ten seconds; each moment stands for `each` buyers."""
    tens: dict[int, int] = {}
    for moment in moments:
        tens[int(moment // 10)] = tens.get(int(moment // 10), 0) + each
    return max(tens.values()) / 10


@crowds
@pytest.mark.parametrize("drawn", [pytest.param(True, id="draw"), pytest.param(False, id="fifo")])
def test_after_the_opening_the_questions_stay_within_the_budget(waiting: int, drawn: bool) -> None:
    moments = asks_again_s(before(waiting), drawn=drawn)
    assert min(moments.values()) >= 0.5
    assert most_per_s(list(moments.values()), waiting // SAMPLES) <= 1.05 * BUDGET_PER_S


@crowds
def test_all_who_listen_learn_their_positions_from_one_frame(waiting: int) -> None:
    record = DrawRecord("cactus", ((1, waiting),), "00" * 32, opens_at_s=OPENS_S, drawn_at_s=OPENS_S)
    opened = before(waiting, at_s=OPENS_S + 0.3, draw_record=sign_record(record, KEYRING))
    frames = Frames()
    frames.publish(before(waiting), NO_ETA)
    assert "draw" not in frame_of(frames)
    frames.publish(opened, NO_ETA)
    drawn = DrawnPool(verify_record(frame_of(frames)["draw"], KEYRING.pass_keys))
    first = int(RATE_PER_S * CLAIM_WITHIN_S)
    called = [number for number in range(1, waiting + 1, 97) if (drawn.position(1, number) or 0) <= first]
    assert len(called) == pytest.approx(first / 97, rel=0.5)


def test_frames_carry_the_record_while_it_is_news() -> None:
    record = DrawRecord("cactus", ((1, 100),), "00" * 32)
    frames = Frames()
    told = []
    for after_s in range(0, 60, 5):
        line = Line(1, 100, after_s, 0)
        opened = before(100, at_s=OPENS_S + after_s, lines=(line,), draw_record=sign_record(record, KEYRING))
        frames.publish(opened, NO_ETA)
        told.append("draw" in frame_of(frames))
    assert told == [True] * 7 + [False] * 5


@crowds
def test_where_nothing_is_drawn_each_asks_before_the_own_claim_window_is_over(waiting: int) -> None:
    moments = asks_again_s(before(waiting), drawn=False)
    assert all(moment <= number / RATE_PER_S + CLAIM_WITHIN_S for number, moment in moments.items())


@crowds
def test_a_budget_that_asks_all_within_the_claim_window_leaves_nobody_late(waiting: int) -> None:
    """What docs/how-to/production.md advises where buyers ask and don't listen."""
    budget_per_s = waiting / (CLAIM_WITHIN_S - 20)
    moments = asks_again_s(before(waiting), drawn=True, budget_per_s=budget_per_s)
    assert max(moments.values()) <= CLAIM_WITHIN_S


@crowds
@pytest.mark.parametrize("missing", ["beacon", "record"])
def test_a_draw_that_is_put_off_is_asked_for_within_the_budget(waiting: int, missing: str) -> None:
    beacon = {"beacon_source": "drand", "pool": ((1, waiting),)} if missing == "beacon" else {}
    snapshot = before(waiting, at_s=OPENS_S + 60, **beacon)
    asked_per_s = sum(
        (waiting // SAMPLES) / (moment - 60) for moment in asks_again_s(snapshot, drawn=True).values()
    )
    assert asked_per_s <= 1.03 * BUDGET_PER_S


def test_a_draw_that_is_due_any_moment_is_asked_for_soon() -> None:
    waiting = 1_000_000
    snapshot = before(waiting, at_s=OPENS_S + 0.1, pool=((1, waiting),))
    assert max(asks_again_s(snapshot, drawn=True).values()) < 10


def frame_of(frames: Frames) -> dict[str, str]:
    """Return the document of the newest frame."""
    (data,) = [line for line in frames.newest[1].decode().splitlines() if line.startswith("data: ")]
    document: dict[str, str] = json.loads(data.removeprefix("data: "))
    return document


def questions_of(waiting: int, until_s: float) -> tuple[list[float], float]:
    """Play a pre-queue in which all only ask; return when they asked after the opening, and the share that came too late.

    Each asks when told to before the opening, and again as whoever stands at the drawn position is told.
    """
    record = DrawRecord("cactus", ((1, waiting),), "00" * 32, opens_at_s=OPENS_S, drawn_at_s=OPENS_S)
    draw = DrawnPool(record)

    @lru_cache(None)
    def copy(ten_seconds: int) -> tuple[Snapshot, Asking]:
        line = Line(1, waiting, min(waiting, int(RATE_PER_S * 10 * ten_seconds)), 0)
        snapshot = before(waiting, at_s=OPENS_S + 10 * ten_seconds, lines=(line,))
        return snapshot, asking(snapshot, draw=draw)

    asked, late = [], 0
    for number, first_s in asks_again_s(before(waiting), drawn=True).items():
        place = Place("cactus", 1, number, 0, b"device")
        turn_s = (draw.position(1, number) or 0) / RATE_PER_S
        late += first_s > turn_s + CLAIM_WITHIN_S
        at_s = first_s
        while at_s < min(turn_s, until_s):
            asked.append(at_s)
            snapshot, pace = copy(int(at_s // 10))
            at_s += stand(place, snapshot, draw, drawn=True, asking=pace).retry_after_s
        asked.append(at_s)
    return [moment for moment in asked if moment < until_s], late * (waiting // SAMPLES) / waiting


@pytest.mark.parametrize(
    ("waiting", "late"), [(60_000, 0.0), (100_000, 0.0), (300_000, 0.006), (1_000_000, 0.009)]
)
def test_while_all_ask_for_the_draw_they_stay_within_the_budget_and_as_few_as_can_be_come_late(
    waiting: int, late: float
) -> None:
    """Of a million, 7.7 in a thousand come late if the first questions have all of the budget; 8.4 as it is."""
    round_s = waiting / BUDGET_PER_S
    asked, came_late = questions_of(waiting, 3.0 * round_s)
    tenths: dict[int, float] = {}
    for moment in asked:
        tenth = int(moment / (round_s / 10.0))
        tenths[tenth] = tenths.get(tenth, 0.0) + (waiting // SAMPLES) / (round_s / 10.0)
    assert max(tenths.values()) <= 1.06 * BUDGET_PER_S
    assert came_late <= late
