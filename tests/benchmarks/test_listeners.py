"""What listeners heard: frames are read whole, and a frame or a listener that is missing makes no figure better."""

from __future__ import annotations

import math

import pytest

from tests.benchmarks.listeners import Heard, _Crowd, _Listener, figures_of

FRAME = 'id: 1\nevent: line\ndata: {{"as_of":{},"lines":[[1,2,3,4]]}}\n\n'


def chunk(made_s: float) -> bytes:
    frame = FRAME.format(made_s).encode()
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def counting_crowd() -> _Crowd:
    crowd = _Crowd()
    crowd.after_s = 0.0
    return crowd


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_frames_are_told_apart_however_they_are_cut(size: int) -> None:
    crowd = counting_crowd()
    listener = _Listener(crowd)
    answer = b"HTTP/1.1 200 OK\r\n\r\nd\r\nretry: 3000\n\n\r\n" + chunk(1.5) + chunk(1.75) + chunk(2.0)
    for start in range(0, len(answer), size):
        listener.data_received(answer[start : start + size])
    assert list(crowd.heard) == [1.5, 1.75, 2.0]
    assert crowd.welcomed == 1


def test_only_frames_between_two_moments_count() -> None:
    crowd = _Crowd()
    listener = _Listener(crowd)
    listener.data_received(chunk(1.0))
    assert not crowd.heard
    crowd.after_s = crowd.newest_s
    listener.data_received(chunk(1.0) + chunk(2.0))
    crowd.until_s = crowd.newest_s
    assert crowd.past == 0
    listener.data_received(chunk(3.0) + chunk(4.0))
    assert list(crowd.heard) == [2.0]
    assert crowd.past == 1


def test_a_lost_listener_is_no_figure() -> None:
    crowd = counting_crowd()
    crowd.check()
    _Listener(crowd).connection_lost(None)
    with pytest.raises(RuntimeError, match="1 listeners lost their connection"):
        crowd.check()


def test_a_run_without_a_frame_that_all_heard_has_no_best_time() -> None:
    with pytest.raises(RuntimeError, match="of 1 frames none was heard by all 2 listeners"):
        figures_of([Heard(1.0, [1.1])], 2, 0, 0.1, 1.0, "")


def test_missed_frames_are_told_as_a_share() -> None:
    heard = [Heard(1.0, [1.1, 1.2]), Heard(2.0, [2.1])]
    figures = {figure.name: figure for figure in figures_of(heard, 2, 0, 0.1, 1.0, "")}
    assert math.isclose(figures["listeners_missed_frames"].value, 0.25)
    assert math.isclose(figures["listeners_last_frame"].value, 200.0)
    assert figures["listeners_last_frame"].n == 1
