"""The project's pages as Markdown: their blocks, links, pictures and headings."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tidegate.reference.markdown import anchor

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_TOP = ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")
PAGES = [*(ROOT / name for name in _TOP if (ROOT / name).exists()), *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^( *)(`{3,})([\w-]*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, where it stands, and in which language."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{named(self.page)}:{self.line}"


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> list[Block]:
    """Return all blocks in one of these languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match[3] in languages:
                line = text[: match.start()].count("\n") + 2
                found.append(Block(page, line, match[3], textwrap.dedent(match[4])))
    return found


def prose(page: Path) -> str:
    """Return a page without its blocks and without code in the text: neither holds links."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", lambda found: "`" + "x" * (len(found[0]) - 2) + "`", text)


def links(page: Path) -> list[str]:
    """Return where a page's links and pictures lead, those into the network left out."""
    return [link for link in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub numbers those that come twice."""
    seen: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        base = anchor(heading)
        count = seen.get(base, 0)
        seen[base] = count + 1
        found.add(f"{base}-{count}" if count else base)
    return found
