"""What the README shows works: its onsale document loads, its links lead somewhere."""

import re
from pathlib import Path

import pytest

from rulebook import load_text

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_onsale_in_the_readme_loads() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (onsale,) = (block for block in blocks if "kind: Onsale" in block)
    indent = len(onsale) - len(onsale.lstrip())
    text = "\n".join(line[indent:] for line in onsale.splitlines())
    assert list(load_text(text, "README.md").onsales) == ["cactus"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
