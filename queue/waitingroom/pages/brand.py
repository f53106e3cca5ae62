"""A brand's own folder for the page: what may be in it, and that it works, checked before the room is opened.

    DIR/static/brand.css    colours and shapes, by the variables of room.css; linked after it
    DIR/static/*            pictures and fonts, to be named from there and from the templates
    DIR/templates/*.html    instead of ours of the same name: brand.html and imprint.html are made for it
    DIR/locales/*.po        instead of our texts of the same names, or a further language

Every template is rendered in every state and language before it is used: what would break before a buyer breaks at the start.
"""

from __future__ import annotations

import re
from pathlib import Path

from waitingroom.errors import ConfigurationError
from waitingroom.pages.assets import KINDS

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
    if re.search(r"<[^>]+\son[a-z]+\s*=|<[^>]+\sstyle\s*=|<script(?![^>]*\b(?:src|application/json))", page):
        raise ConfigurationError(
            f"pages {origin}: holds a script or style in the page itself, which browsers are told to refuse; "
            "put it into a file in static/"
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
    if path.suffix == ".css" and _ELSEWHERE.search(path.read_text(errors="replace")):
        raise ConfigurationError(
            f"pages {path}: loads from another host, which browsers are told to refuse; put the file beside it"
        )
