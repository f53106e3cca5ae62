"""How long a turn lasts, as far as a process has seen it begin."""

from dataclasses import replace

from waitingroom.pages.languages import load_languages
from waitingroom.pages.samples import sample_views
from waitingroom.snapshot import Line, Snapshot
from waitingroom.turns import Turns

SAMPLE = next(sample_views(load_languages()["en"])).snapshot
assert SAMPLE is not None


def copy_of(at_s: float, *lines: Line) -> Snapshot:
    """Return a copy of the counters."""
    return replace(SAMPLE, at_s=at_s, lines=lines)


def test_a_turn_ends_a_claim_window_after_the_first_copy_that_shows_it() -> None:
    turns = Turns(120.0)
    for at_s, released in ((1000.0, 5), (1001.0, 5), (1002.0, 8), (1003.0, 20)):
        turns.note(copy_of(at_s, Line(1, 100, released, 0)))
    assert [turns.claim_by_s(1, position) for position in (6, 8, 9, 20)] == [1122.0, 1122.0, 1123.0, 1123.0]


def test_turns_that_came_before_we_looked_have_no_known_end() -> None:
    turns = Turns(120.0)
    turns.note(copy_of(1000.0, Line(1, 100, 5, 0)))
    assert turns.claim_by_s(1, 5) is None
    assert turns.claim_by_s(1, 6) is None
    assert turns.claim_by_s(2, 1) is None


def test_lines_of_several_epochs_are_kept_apart() -> None:
    turns = Turns(10.0)
    turns.note(copy_of(1.0, Line(1, 100, 0, 0), Line(2, 50, 0, 0)))
    turns.note(copy_of(2.0, Line(1, 100, 10, 0), Line(2, 50, 0, 0)))
    turns.note(copy_of(3.0, Line(1, 100, 10, 0), Line(2, 50, 10, 0)))
    assert (turns.claim_by_s(1, 10), turns.claim_by_s(2, 10)) == (12.0, 13.0)


def test_a_long_sale_is_forgotten_behind_the_claim_window() -> None:
    turns = Turns(120.0)
    for second in range(2000):
        turns.note(copy_of(1000.0 + second, Line(1, 10**6, 10 * second, 0)))
    assert turns.claim_by_s(1, 10) is None
    assert turns.claim_by_s(1, 19_990) == 1000.0 + 1999 + 120
    assert turns.claim_by_s(1, 18_900) == 1000.0 + 1890 + 120
    assert sum(len(seen[0]) for seen in turns._seen.values()) < 400
