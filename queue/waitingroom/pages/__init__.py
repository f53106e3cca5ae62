"""The buyer's page: server-rendered, works without JavaScript, kept up to date by a small module where there is JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError

from waitingroom.errors import ConfigurationError
from waitingroom.pages import wording
from waitingroom.pages.assets import FOLDER as STATIC
from waitingroom.pages.assets import Assets
from waitingroom.pages.brand import STYLE, TEMPLATES, check_brand, check_ids, check_markup
from waitingroom.pages.languages import Language, load_languages
from waitingroom.pages.samples import sample_views
from waitingroom.pages.wording import DrawShown, PageView, pace_per_s

__all__ = ["DrawShown", "NoticeView", "PageView", "Pages"]

REFRESH_CHOICES = (30, 60, 120, 300, 0)
"""How often, in seconds, a page without scripts may be loaded again; from the first to ten times as long, or never."""
_GROUPS = {
    "in_line": wording.IN_LINE,
    "opening": wording.OPENING,
    "turn": wording.TURN,
    "join": wording.JOIN,
    "waiting": wording.IN_LINE | {"early", "late", "next", "released"},
    "movable": wording.PLACED - {"admitted"},
}


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A page which says one thing: with a code to show, or with the way on which `reason` leaves; `back` to the line.

    `again` is the address to be asked once more: by the page itself if it is `retried`, without scripts every `refresh_s`
    seconds (0 for never).
    """

    onsale: str
    title: str
    text: str
    reason: str = ""
    code: str = ""
    back: bool = True
    again: str = ""
    retried: bool = False
    refresh_s: int = 0


class Pages:
    """Renders the page in each language; templates are compiled, and texts and files read, once."""

    security_headers = {  # noqa: RUF012 - a constant of the class
        # A form's way may lead on to the shop, and from there to wherever the shop sends buyers.
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "font-src 'self'; form-action 'self' *; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

    def __init__(self, brand: Path | None = None) -> None:
        """Load the page; `brand` is an operator's folder which replaces parts of it.

        Raises:
            ConfigurationError: the brand's folder cannot be used.
        """
        if brand is not None:
            check_brand(brand)
        within = {name: brand / name for name in ("templates", "static", "locales")} if brand else {}
        theirs = {name: path for name, path in within.items() if path.is_dir()}
        self.languages = load_languages(theirs.get("locales"))
        self.assets = Assets([STATIC, *([theirs["static"]] if "static" in theirs else [])])
        environment = Environment(
            loader=FileSystemLoader([*([theirs["templates"]] if "templates" in theirs else []), TEMPLATES]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["query"] = lambda changed, kept: urlencode([*kept, *changed])
        environment.globals |= {
            "assets": self.assets.address,
            "branded": STYLE in self.assets.names(),
            "groups": _GROUPS,
            "refresh_choices": REFRESH_CHOICES,
        }
        try:
            self._template = environment.get_template("room.html")
            self._notice = environment.get_template("notice.html")
            if brand is not None:
                self._try_out(brand)
        except TemplateSyntaxError as error:
            raise ConfigurationError(f"pages {error.filename}:{error.lineno}: {error.message}") from error
        except TemplateError as error:
            raise ConfigurationError(f"pages {brand}: a template cannot be rendered: {error}") from error

    def render(self, view: PageView) -> bytes:
        """Return the page as UTF-8."""
        return self._render(view).encode()

    def render_notice(self, notice: NoticeView, words: Language) -> bytes:
        """Return a page which says one thing, as UTF-8."""
        text = self._notice.render(notice=notice, onsale=notice.onsale, words=words, languages=(), kept=())
        return text.encode()

    def _render(self, view: PageView) -> str:
        title = wording.title_of(view.onsale, view.language)
        return self._template.render(
            view=view,
            state=view.state,
            said=wording.word(view),
            words=view.language,
            languages=list(self.languages),
            kept=view.kept + view.told,
            title=title,
            onsale=view.onsale.name,
            data=_script_data(view, title),
        )

    def _try_out(self, brand: Path) -> None:
        """Render every state in every language."""
        origin = str(brand / "templates")
        for language in self.languages:
            for view in sample_views(language):
                page = self._render(view)
                check_markup(page, origin)
                if view.state != "uninvited":
                    check_ids(page, origin)
            for notice in sample_notices():
                check_markup(self.render_notice(notice, language).decode(), origin)


def sample_notices() -> Iterator[NoticeView]:
    """Return a notice of each kind."""
    for reason in ("held", "code", "not_found"):
        yield NoticeView("sample", "A title", "A text.", reason=reason, code="ABCDE-FGHJK")
    yield NoticeView(
        "sample", "A title", "A text.", reason="unavailable", again="/sample/", retried=True, refresh_s=30
    )


def _script_data(view: PageView, title: str) -> dict[str, Any]:
    """Return what the page's script begins with."""
    standing, snapshot, draw = view.standing, view.snapshot, view.draw
    return {
        "onsale": view.onsale.name,
        "title": title,
        "language": view.language.code,
        "dates": view.language.dates_tag,
        "query": view.query,
        "state": view.state,
        "number": view.number,
        "epoch": view.epoch,
        "line_epoch": view.line_epoch,
        "position": standing.position if standing else None,
        "ahead": standing.ahead if standing else None,
        "eta": standing.eta_s if standing else None,
        "reason": view.slowdown,
        "rate": pace_per_s(snapshot) if snapshot else None,
        "stale": view.stale,
        "start": view.start,
        "retry_after": standing.retry_after_s if standing else None,
        "claim_by": standing.claim_by_s if standing else None,
        "claim_within": view.onsale.spec.admission.claim_within_s,
        "opens": view.opens_at_s,
        "as_of": snapshot.at_s if snapshot else None,
        "drawn": draw is not None,
        "fingerprint": draw.fingerprint if draw else "",
        "texts": view.language.script_texts(wording.SCRIPT_TEXTS),
    }
