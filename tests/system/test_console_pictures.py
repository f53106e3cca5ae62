"""The guide shows every view of the console: each has its picture, and no picture of another is kept."""

from tests.screenshots import IMAGES
from tests.system.console_screenshots import IN_DOCS, PAGES

NOT_SHOWN = {"onsales", "error"}
"""The onsales stand beside the services, and an error is a line of text."""


def test_every_view_is_among_the_pictures() -> None:
    assert set(PAGES) - NOT_SHOWN == set(IN_DOCS)


def test_no_picture_is_of_a_view_that_is_no_longer_taken() -> None:
    found = {file.stem.removeprefix("console-") for file in IMAGES.glob("console-*.png")}
    assert found
    assert found <= set(IN_DOCS)
