"""What listeners heard: frames are read whole, and a frame or a listener that is missing makes no figure better."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import pytest

from tests.benchmarks.figures import Figure
from tests.benchmarks.listeners import Hearing, Told, _Crowd, _Listener, figures_of
from tests.benchmarks.observer import Move

FRAME = 'id: 1\nevent: line\ndata: {{"as_of":{},"lines":[[1769000000000,{},0,9]],"waiting":4}}\n\n'


def chunk(made_s: float, released: int = 0) -> bytes:
    frame = FRAME.format(made_s, released).encode()
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def counting_crowd() -> _Crowd:
    crowd = _Crowd()
    crowd.after_s = 0.0
    return crowd


def figures(
    moves: Sequence[Move], told: Mapping[int, Told], frames: Mapping[float, int], count: int = 2
) -> dict[str, Figure]:
    hearing = Hearing(count, moves, told, frames, grown_bytes=0, cpu_s=0.1, took_s=1.0)
    return {figure.name: figure for figure in figures_of(hearing, "")}


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_frames_are_told_apart_however_they_are_cut(size: int) -> None:
    crowd = counting_crowd()
    listener = _Listener(crowd)
    answer = b"HTTP/1.1 200 OK\r\n\r\nd\r\nretry: 3000\n\n\r\n" + chunk(1.5) + chunk(1.75, 1) + chunk(2.0, 3)
    for start in range(0, len(answer), size):
        listener.data_received(answer[start : start + size])
    assert list(crowd.frames) == [1.5, 1.75, 2.0]
    assert list(crowd.told) == [1, 2, 3]
    assert crowd.welcomed == 1


def test_only_frames_between_two_moments_count() -> None:
    crowd = _Crowd()
    listener = _Listener(crowd)
    listener.data_received(chunk(1.0))
    assert not crowd.frames
    crowd.after_s = 1.0
    listener.data_received(chunk(1.0) + chunk(2.0))
    crowd.until_s = 2.0
    assert crowd.past == 0
    listener.data_received(chunk(3.0) + chunk(4.0))
    assert list(crowd.frames) == [2.0]
    assert crowd.past == 1


def test_a_release_told_after_the_last_moment_is_heard_all_the_same() -> None:
    crowd = counting_crowd()
    crowd.until_s = 2.0
    listener = _Listener(crowd)
    listener.data_received(chunk(1.0, 4) + chunk(3.0, 6))
    assert list(crowd.frames) == [1.0]
    assert list(crowd.told) == [5, 6]


def test_each_listener_counts_once_for_a_release() -> None:
    crowd = counting_crowd()
    for _ in range(3):
        listener = _Listener(crowd)
        listener.data_received(chunk(1.0, 0) + chunk(2.0, 1) + chunk(3.0, 1))
    assert crowd.told[1].count == 3
    assert crowd.told[1].first_s <= crowd.told[1].last_s <= time.time()


def test_a_lost_listener_is_no_figure() -> None:
    crowd = counting_crowd()
    crowd.check()
    _Listener(crowd).connection_lost(None)
    with pytest.raises(RuntimeError, match="1 listeners lost their connection"):
        crowd.check()


def test_a_release_that_a_later_frame_told_counts_from_its_own_time() -> None:
    moves = [Move(10.0, 1), Move(10.2, 2), Move(10.4, 3)]
    # The frame of the third look is the first one since the first.
    told = {1: Told(10.05, 10.1, 2), 2: Told(10.45, 10.5, 2), 3: Told(10.45, 10.5, 2)}
    seen = figures(moves, told, {10.01: 2, 10.41: 2})
    assert math.isclose(seen["listeners_last_frame"].value, 100.0, abs_tol=1e-6)
    assert seen["listeners_last_frame"].n == 3
    assert "longest 300 ms" in seen["listeners_last_frame"].note


def test_a_frame_that_was_never_sent_shows_beside_the_moves_of_the_line() -> None:
    moves = [Move(10.0, 1), Move(10.2, 2), Move(10.4, 3), Move(10.6, 4)]
    told = {position: Told(11.0, 11.0, 2) for position in (1, 2, 3, 4)}
    seen = figures(moves, told, {10.61: 2})["listeners_frames_per_s"]
    assert (seen.value, seen.baseline, seen.ratio) == (1.0, 4.0, 0.25)


@pytest.mark.parametrize("told", [{}, {1: Told(1.1, 1.1, 1)}], ids=["nobody", "one of two"])
def test_a_release_that_not_all_heard_of_has_no_best_time(told: Mapping[int, Told]) -> None:
    with pytest.raises(RuntimeError, match="of 1 moves of the line 1 were not heard of by all 2 listeners"):
        figures([Move(1.0, 1)], told, {1.0: 1})


def test_a_line_that_stands_still_has_no_best_time() -> None:
    with pytest.raises(RuntimeError, match="the line did not move in 1 s"):
        figures([], {}, {})


def test_missed_frames_are_told_as_a_share() -> None:
    seen = figures([Move(1.0, 1)], {1: Told(1.1, 1.2, 2)}, {1.0: 2, 2.0: 1})
    assert math.isclose(seen["listeners_missed_frames"].value, 0.25)
