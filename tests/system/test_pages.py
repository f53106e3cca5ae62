"""The pages hang together: links and pictures lead somewhere, and every page can be found from the map."""

from pathlib import Path

import pytest

from tests.system.pages import DOCS, PAGES, ROOT, anchors, links, named
from tidegate.reference.markdown import anchor


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for link in links(page):
        path, _, part = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if part:
            assert target.suffix == ".md", link
            assert part in anchors(target), link


def test_every_page_can_be_found_from_the_map() -> None:
    found, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        found.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        waiting += [target for target in targets - found if target.suffix == ".md" and target.exists()]
    assert [named(page) for page in PAGES if page.is_relative_to(DOCS) and page not in found] == []


def test_every_page_of_the_docs_is_on_the_map_itself() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "README.md")}
    pages = [page for page in DOCS.rglob("*.md") if page != DOCS / "README.md"]
    assert [named(page) for page in pages if page not in listed] == []


def test_every_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    pictures = [file for file in (DOCS / "img").iterdir() if file.suffix in {".png", ".svg", ".jpg", ".gif"}]
    assert pictures
    assert [picture.name for picture in pictures if picture not in shown] == []


def test_every_page_begins_with_its_title() -> None:
    assert [named(page) for page in PAGES if not page.read_text(encoding="utf-8").startswith("# ")] == []


def test_headings_that_come_twice_have_anchors_of_their_own(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A b\n\n## Same\n\n```sh\n# no heading\n```\n\n## Same\n")
    assert anchors(page) == {"a-b", "same", "same-1"}
    assert anchor("A `code` & more") == "a-code--more"
