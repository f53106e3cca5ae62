"""Which places can be of this sale: what the store does not know it may have lost, or it is of a sale before."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.waitingroom.samples import onsale, quiet_snapshot
from waitingroom.joining import is_of_this_sale, joining_begins_at_s
from waitingroom.snapshot import Line

BEGINS = datetime(2026, 12, 5, 9, 30, tzinfo=UTC)
SALE = onsale(prequeue=BEGINS.isoformat(), opens=(BEGINS + timedelta(minutes=30)).isoformat())
BEGINS_MS = int(BEGINS.timestamp() * 1000)
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("epoch", "oldest", "counts"),
    [
        pytest.param(BEGINS_MS - HOUR_MS, BEGINS_MS - HOUR_MS, True, id="of the line itself"),
        pytest.param(BEGINS_MS + HOUR_MS, BEGINS_MS - HOUR_MS, True, id="newer, of a store that was rolled back"),
        pytest.param(BEGINS_MS - 1, BEGINS_MS, True, id="older, where the line began in mid-sale"),
        pytest.param(BEGINS_MS - 2, BEGINS_MS - 1, False, id="older, where the line was there before"),
    ],
)  # fmt: skip
def test_an_older_place_counts_unless_the_line_is_older_than_the_joining(
    epoch: int, oldest: int, counts: bool
) -> None:
    copy = quiet_snapshot(lines=(Line(oldest, 3, 0, 0), Line(oldest + 1, 0, 0, 0)))
    assert is_of_this_sale(epoch, SALE, copy) is counts


def test_while_another_process_may_put_its_line_back_nobody_can_tell() -> None:
    copy = quiet_snapshot(lines=(Line(BEGINS_MS - 1, 0, 0, 0),), settling=True)
    assert is_of_this_sale(BEGINS_MS - 2, SALE, copy) is None
    assert is_of_this_sale(BEGINS_MS - 1, SALE, copy) is True
    assert is_of_this_sale(BEGINS_MS - 2, SALE, None) is None


def test_where_anybody_may_always_join_every_place_counts() -> None:
    copy = quiet_snapshot(lines=(Line(BEGINS_MS, 0, 0, 0),))
    assert is_of_this_sale(1, onsale(), copy) is True
    assert is_of_this_sale(1, onsale(), None) is True


def test_what_operators_have_said_of_the_joining_counts() -> None:
    earlier = quiet_snapshot(
        lines=(Line(BEGINS_MS - 1, 0, 0, 0),), operated=(("ops_prequeue_us", str((BEGINS_MS - HOUR_MS) * 1000)),)
    )  # fmt: skip
    assert joining_begins_at_s(SALE, earlier) == (BEGINS_MS - HOUR_MS) / 1000
    assert is_of_this_sale(1, SALE, earlier) is True
