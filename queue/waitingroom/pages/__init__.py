"""The buyer's page: server-rendered, works without JavaScript, refreshed by a small module where there is JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from rulebook import Onsale
from waitingroom.snapshot import Snapshot
from waitingroom.standing import Standing

STATIC_FOLDER = Path(str(resources.files("waitingroom.pages") / "static"))
_TEMPLATES = Path(str(resources.files("waitingroom.pages") / "templates"))


@dataclass(frozen=True, slots=True)
class PageView:
    """What one rendering of the page shows."""

    onsale: Onsale
    snapshot: Snapshot | None
    standing: Standing | None
    number: int | None
    stale: bool
    query: str = ""
    slowdown: str = ""
    draw_note: str = ""
    outside: str = "outside"
    """Why there is no standing: outside (may join), uninvited (needs a token), or moved (another device holds the place)."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A page which says one thing: with a code to show, or with the way on which `reason` leaves."""

    onsale: str
    title: str
    text: str
    reason: str = ""
    code: str = ""


class Pages:
    """Renders the page; templates are compiled once."""

    security_headers = {  # noqa: RUF012 - a constant of the class
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'self' *; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = environment.get_template("room.html")
        self._notice = environment.get_template("notice.html")

    def render(self, view: PageView) -> bytes:
        """Return the page as UTF-8."""
        titles = view.onsale.spec.title
        title = titles.get("en") or next(iter(titles.values()), view.onsale.name)
        return self._template.render(view=view, title=title, onsale=view.onsale.name).encode()

    def render_notice(self, notice: NoticeView) -> bytes:
        """Return a page which says one thing, as UTF-8."""
        return self._notice.render(notice=notice, onsale=notice.onsale).encode()
