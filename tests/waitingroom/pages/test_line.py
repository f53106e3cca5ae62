"""The browser works out from a frame what the room works out from its counters: line.js against standing.py, on random lines."""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.waitingroom.pages.browsing import device
from tests.waitingroom.samples import quiet_snapshot
from waitingroom.eta import NO_ETA, TIMES_S, Eta
from waitingroom.frames import Frames
from waitingroom.pages.assets import FOLDER
from waitingroom.places import Place
from waitingroom.polling import asking_for, asking_of
from waitingroom.snapshot import Line, Snapshot
from waitingroom.standing import Standing, State, locate, stand

pytestmark = pytest.mark.asyncio(loop_scope="session")
CASES = 3_000
NOW_S = 1_800_000_000.0
STAND = """async ([script, cases]) => {
    const { stand } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    return cases.map(([frame, place]) => stand(JSON.parse(frame), place));
}"""


def some_line(rng: random.Random, epoch: int) -> Line:
    """Return a line of any shape: empty, untouched, half through, through."""
    tail, shift = rng.choice([0, 1, 2, 17, 4711, 10**6]), rng.choice([0, 0, 3, 900])
    released = rng.choice([0, tail + shift, rng.randint(0, tail + shift)])
    settled = rng.choice([0, released, rng.randint(0, released)])
    return Line(epoch, tail, released, settled, shift)


def some_eta(rng: random.Random) -> Eta:
    """Return a wait by the people ahead, of numbers that a frame carries unrounded."""
    knots = [rng.randint(-50, 50) / 10]
    for _ in TIMES_S[2:]:
        knots.append(knots[-1] + rng.choice([0.0, 0.1, 1.0, rng.randint(1, 9000) / 10]))
    knots.append(knots[-1] + rng.randint(1, 900))
    knots = [round(knot, 1) for knot in knots]
    low = sorted(float(rng.randint(0, 20_000)) for _ in knots)
    high = [end + rng.randint(0, 9000) for end in low]
    steps = sorted(float(rng.choice([5, 15, 30, 60, 300])) for _ in knots)

    def slopes(ends: list[float]) -> tuple[float, ...]:
        rises = [
            (later - end) / max(after - knot, 1e-9)
            for (end, later), (knot, after) in zip(pairwise(ends), pairwise(knots), strict=True)
        ]
        return (*rises, rises[-1])

    return Eta(tuple(knots), tuple(low), tuple(high), slopes(low), slopes(high), tuple(steps))


def some_snapshot(rng: random.Random) -> Snapshot:
    """Return counters of one to three epochs, at any time of a sale."""
    epochs = sorted(rng.sample(range(1, 9), rng.randint(1, 3)))
    return quiet_snapshot(
        at_s=NOW_S,
        lines=tuple(some_line(rng, epoch) for epoch in epochs),
        rate_per_s=rng.choice([0.0, 0.5, 20.0]),
        released_per_s=rng.choice([0.0, 4.2]),
        opens_at_s=rng.choice([None, NOW_S - 60, NOW_S, NOW_S + 60]),
        closes_at_s=rng.choice([None, None, NOW_S, NOW_S + 3600]),
        hold=rng.choice(["", "", 'a "reason"']),
    )


def frame_of(snapshot: Snapshot, eta: Eta) -> str:
    """Return the frame's document, as it goes to all listeners."""
    frames = Frames()
    frames.publish(snapshot, eta)
    (data,) = [line for line in frames.newest[1].decode().splitlines() if line.startswith("data: ")]
    return data.removeprefix("data: ")


def told(standing: Standing) -> dict[str, Any] | None:
    """Return what a frame can tell of a standing: before the opening, and of the wait during a pause, nothing."""
    if standing.state is State.PREQUEUE:
        return None
    eta = None if standing.eta_s is None else list(standing.eta_s)
    return {"state": str(standing.state), "ahead": standing.ahead, "eta": eta}


async def test_a_frame_says_of_every_place_what_its_status_would_say(browser: Browser) -> None:
    rng = random.Random(20_261_205)
    cases: list[tuple[str, dict[str, int | None]]] = []
    expected = []
    while len(cases) < CASES:
        snapshot = some_snapshot(rng)
        # Before the opening and during a pause no wait can be named.
        eta = NO_ETA if snapshot.phase != "open" or rng.random() < 0.1 else some_eta(rng)
        frame = frame_of(snapshot, eta)
        for _ in range(3):
            line = rng.choice(snapshot.lines)
            edges = [1, line.settled, line.settled + 1, line.released, line.released + 1, line.tail]
            number = max(1, rng.choice([*edges, rng.randint(1, line.tail + 1)]))
            place = Place("cactus", line.epoch, number, 0, b"device")
            found = locate(place, snapshot, None, drawn=False)
            assert found
            standing = stand(place, snapshot, None, drawn=False, asking=asking_for(1, 1000.0), eta=eta)
            cases.append((frame, {"epoch": found[0].epoch, "position": found[1]}))
            expected.append(told(standing))
    context = await device(browser)
    page = await context.new_page()
    script = (Path(FOLDER) / "line.js").read_text()
    found_there = await page.evaluate(STAND, [script, cases])
    await context.close()
    for (frame, place_of), here, there in zip(cases, expected, found_there, strict=True):
        if there and there["eta"]:
            there["eta"] = [float(end) for end in there["eta"]]
        assert there == here, (json.loads(frame), place_of)
    states = {told_here["state"] for told_here in expected if told_here}
    assert states == {"waiting", "held", "released", "late", "closed"}


SPREAD = """async ([script, cases]) => {
    const { spread } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    return cases.map(([frame, ahead]) => spread(JSON.parse(frame), ahead));
}"""


@pytest.mark.parametrize(
    ("waiting", "rate"), [(20_000, 20.0), (1_000_000, 20.0), (1_000_000, 150.0), (100_000, 500.0)]
)
async def test_all_who_are_cut_off_at_once_ask_within_the_budget_and_before_the_own_turn_is_over(
    browser: Browser, waiting: int, rate: float
) -> None:
    """Each asks once, at a moment that is spread evenly over its own seconds: the first moment is the worst."""
    budget_per_s = 1000.0
    context = await device(browser)
    page = await context.new_page()
    script = (Path(FOLDER) / "line.js").read_text()
    snapshot = quiet_snapshot(at_s=NOW_S, lines=(Line(1, waiting, 0, 0, 0),))
    asking = asking_of(snapshot, budget_per_s, ceiling_per_s=rate, claim_within_s=120.0)
    frames = Frames()
    frames.publish(snapshot, NO_ETA, asking)
    (data,) = [line for line in frames.newest[1].decode().splitlines() if line.startswith("data: ")]
    frame, step = data.removeprefix("data: "), waiting // 5000
    ahead = range(0, waiting, step)
    seconds = await page.evaluate(SPREAD, [script, [(frame, each) for each in ahead]])
    assert sum(step / each for each in seconds) == pytest.approx(budget_per_s, rel=0.05)
    assert seconds == pytest.approx([asking.interval_s(each) for each in ahead], abs=0.2)
    assert all(each_s <= each / rate + 60.1 for each, each_s in zip(ahead, seconds, strict=True))
    # Who is next hears soonest.
    assert seconds == sorted(seconds)
    assert seconds[0] < 14
    (unplaced,) = await page.evaluate(SPREAD, [script, [(frame, None)]])
    assert waiting / unplaced == pytest.approx(budget_per_s)
    await context.close()


async def test_frames_of_earlier_rooms_leave_the_spread_to_what_was_told(browser: Browser) -> None:
    context = await device(browser)
    page = await context.new_page()
    script = (Path(FOLDER) / "line.js").read_text()
    before = '{"waiting": 100, "ask_s": [1, 11, 50]}'
    cases = [("{}", 5), ("null", 5), ('{"ask_s": null}', 5), (before, 50), (before, None)]
    assert await page.evaluate(SPREAD, [script, cases]) == [None, None, None, 6, 50]
    await context.close()


async def test_a_place_of_an_unknown_line_or_without_a_position_is_left_as_it_was(browser: Browser) -> None:
    frame = frame_of(some_snapshot(random.Random(1)), NO_ETA)
    context = await device(browser)
    page = await context.new_page()
    script = (Path(FOLDER) / "line.js").read_text()
    cases = [(frame, {"epoch": 99, "position": 1}), (frame, {"epoch": None, "position": None})]
    assert await page.evaluate(STAND, [script, cases]) == [None, None]
    await context.close()
