"""A brand's own folder for the page: what may be in it, and that it works, checked before the room is opened.

    DIR/static/brand.css    colours and shapes, by the variables of room.css; linked after it
    DIR/static/*            pictures and fonts, to be named from there and from the templates
    DIR/templates/*.html    instead of ours of the same name: brand.html and imprint.html are made for it
    DIR/locales/*.po        instead of our texts of the same names, or a further language

Every template is rendered in every state and language before it is used: what would break before a buyer breaks at the start.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from html.parser import HTMLParser
from pathlib import Path

from waitingroom.errors import ConfigurationError
from waitingroom.pages.assets import FOLDER, KINDS

TEMPLATES = Path(__file__).parent / "templates"
STYLE = "brand.css"
NEEDED_IDS = (
    *("headline", "lead", "figures", "ahead", "progress", "eta", "number", "position", "pace", "hold"),
    *("hold-text", "opening", "opens", "opens-label", "countdown", "turn", "left-line", "left", "enter"),
    *(
        "enter-by",
        "join",
        "message",
        "message-text",
        "notice",
        "actions",
        "notify",
        "notify-line",
        "notified",
        "updated",
    ),
    *("announcer", "data", "get-code"),
)
"""What the page's script looks for in room.html."""
_FOLDERS = ("static", "templates", "locales")
_ELSEWHERE = re.compile(r"""(?:url\(\s*|@import\s+)["']?(?:[a-z]+:)?//""", re.IGNORECASE)
_ADDRESS_WITH_HOST = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_LOADING = frozenset({"src", "srcset", "href", "xlink:href", "poster", "data"})
_LEADING_ON = frozenset({"a", "area"})
_NAMING = frozenset({"canonical", "alternate", "author", "license"})
"""What `<link rel=...>` names and no browser loads."""
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_VARIABLE_SET = re.compile(r"(?<![\w(-])(--[\w-]+)\s*:")
_VARIABLE_USED = re.compile(r"var\(\s*(--[\w-]+)")
_LARGEST_BYTES = 200_000


def check_brand(folder: Path) -> None:
    """Look through a brand's folder.

    Raises:
        ConfigurationError: it isn't there, holds what has no meaning here, or files that browsers would refuse.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"pages {folder}: is no folder; give the folder with static/, templates/ or locales/"
        )
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.name not in _FOLDERS or not path.is_dir():
            raise ConfigurationError(
                f"pages {path}: has no meaning here; a brand has the folders static, templates and locales"
            )
    if not entries:
        raise ConfigurationError(f"pages {folder}: is empty; put static/{STYLE} there, or remove --pages")
    ours = {path.name for path in TEMPLATES.glob("*.html")}
    for path in _files(folder / "templates"):
        if path.name not in ours:
            names = ", ".join(sorted(ours))
            raise ConfigurationError(f"pages {path}: replaces nothing; templates are {names}")
    for path in _files(folder / "locales"):
        if path.suffix != ".po":
            raise ConfigurationError(
                f"pages {path}: is no catalogue; they are called after a language, as nl.po"
            )
    for path in _files(folder / "static"):
        _check_static(path)
    _check_variables(_files(folder / "static"))


def check_markup(page: str, origin: str) -> None:
    """Look through a rendered page for what browsers would refuse; `origin` is named where there is any.

    Raises:
        ConfigurationError: it holds a script or a style itself, or loads something from elsewhere than the room.
    """
    if re.search(r"<[^>]+\son[a-z]+\s*=|<[^>]+\sstyle\s*=|<script(?![^>]*\b(?:src|application/json))", page):
        raise ConfigurationError(
            f"pages {origin}: holds a script or style in the page itself, which browsers are told to refuse; "
            "put it into a file in static/"
        )
    for address in _loaded_from_elsewhere(page):
        raise ConfigurationError(
            f"pages {origin}: loads {address[:80]!r}, which browsers are told to refuse, as all comes from the room; "
            "put the file into static/ and name it as {{ assets }}/NAME"
        )


def check_ids(page: str, origin: str) -> None:
    """Find what the script needs in a rendered page; `origin` is named where something is missing.

    Raises:
        ConfigurationError: an element is missing.
    """
    for needed in NEEDED_IDS:
        if not re.search(rf"""\bid=["']?{re.escape(needed)}["'\s>]""", page):
            raise ConfigurationError(
                f'pages {origin}: has no element with id="{needed}", which the page\'s script needs; '
                "take it over from the template that you replace"
            )


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _check_static(path: Path) -> None:
    if path.suffix not in KINDS or not path.is_file():
        raise ConfigurationError(f"pages {path}: is of no kind that is served ({', '.join(sorted(KINDS))})")
    size = path.stat().st_size
    if size > _LARGEST_BYTES:
        raise ConfigurationError(
            f"pages {path}: has {size} bytes; keep it below {_LARGEST_BYTES}, buyers are on bad networks"
        )
    if path.suffix not in {".css", ".svg"}:
        return
    text = path.read_text(errors="replace")
    foreign = _ELSEWHERE.search(text) is not None
    if path.suffix == ".svg":
        # A picture may hold another one as data; of pages, browsers are told to refuse that.
        foreign |= any(not found.startswith("data:") for found in _loaded_from_elsewhere(text))
    if foreign:
        raise ConfigurationError(
            f"pages {path}: loads from another host, which browsers are told to refuse; put the file beside it"
        )


def _check_variables(files: list[Path]) -> None:
    """Find variables that nothing uses: mostly one of ours, misspelt."""
    ours = _VARIABLE_SET.findall(_COMMENT.sub("", (FOLDER / "room.css").read_text()))
    texts = {
        path: _COMMENT.sub("", path.read_text(errors="replace"))
        for path in files
        if path.suffix in {".css", ".js"}
    }
    used = {name for text in texts.values() for name in _VARIABLE_USED.findall(text)}
    scripts = "".join(text for path, text in texts.items() if path.suffix == ".js")
    for path, text in texts.items():
        for name in _VARIABLE_SET.findall(text) if path.suffix == ".css" else ():
            if name in used or name in ours or name in scripts:
                continue
            close = get_close_matches(name, ours, n=1)
            advice = (
                f"did you mean {close[0]}?" if close else f"the page's are {', '.join(dict.fromkeys(ours))}"
            )
            raise ConfigurationError(f"pages {path}: sets {name}, which nothing uses; {advice}")


class _Loader(HTMLParser):
    """Notes the addresses, with a host or a scheme in them, from which a page or a picture loads something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LEADING_ON or (tag == "link" and dict(attrs).get("rel") in _NAMING):
            return
        for name, value in attrs:
            if name in _LOADING and value:
                several = value.split(",") if name == "srcset" else [value]
                self.found += [each.strip() for each in several if _ADDRESS_WITH_HOST.match(each)]


def _loaded_from_elsewhere(markup: str) -> list[str]:
    loader = _Loader()
    loader.feed(markup)
    loader.close()
    return loader.found
