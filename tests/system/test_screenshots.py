"""`make screenshots` takes the pictures that are named, and knows each one in docs/img."""

import asyncio
import struct
from pathlib import Path

import pytest

from tests.screenshots import CONSOLE, IMAGES, PAGES, chosen, take


def test_each_picture_of_a_page_in_the_documents_can_be_taken_anew() -> None:
    found = {path.stem for path in IMAGES.glob("*.png") if path.stem.startswith(("page-", "console-"))}
    assert found <= {*PAGES, *CONSOLE}


def test_without_names_all_are_taken() -> None:
    assert chosen([]) == (set(PAGES.values()), set(CONSOLE.values()))


def test_pictures_are_named_as_their_files_are() -> None:
    assert chosen(["page-dark-nl", "docs/img/page-held.png", "console-service"]) == (
        {"dark-nl", "held"},
        {"service"},
    )


def test_a_name_that_no_picture_has_is_refused_before_anything_is_started() -> None:
    with pytest.raises(
        SystemExit, match=r"^no picture is called waiting, console-error: there are page-early .*"
    ):
        chosen(["waiting", "page-held", "console-error"])


@pytest.mark.slow
def test_one_picture_is_taken_alone(tmp_path: Path) -> None:
    asyncio.run(take({"astray"}, set(), tmp_path))
    [picture] = tmp_path.iterdir()
    assert picture.name == "page-astray.png"
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (360, 720)
