"""Makes the answers that are pages: whose language, what the buyer chose, what is known of their place.

What a buyer chooses on the page (language, how often to load it again) is kept in cookies, so that no form has to carry it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from waitingroom.joining import joining_begins_at_s
from waitingroom.pages import REFRESH_CHOICES, DrawShown, NoticeView, Pages, PageView
from waitingroom.pages.languages import Language
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.standing import Standing, State
from waitingroom.web.cookies import find_cookie, set_cookie
from waitingroom.web.negotiation import PROBLEM_TYPE, wants_html

PAGES = web.AppKey("pages", Pages)
RETURN = "return"
"""In the address: the path in the shop to which the buyer wants to go. Checked when it is used."""
ENDED, NEXT = "ended", "next"
"""In the address of the page: what came of an attempt to enter."""
REFUSED = "refused"
"""In the address of the page: why the token that was there is not good."""
_TOLD = (ENDED, NEXT, REFUSED)
LANGUAGE, REFRESH = "lang", "refresh"
"""In the address of the page, and of forms: what a buyer chooses."""
_LANGUAGE_COOKIE = "tidegate_lang"
_REFRESH_COOKIE = "tidegate_refresh"
_START_COOKIE = "tidegate_start"
_DAY_S, _MONTH_S = 86_400, 2_592_000
_NOT_FOR_BUYERS = ("/admin/", "/gate/", "/sessions/", "/.well-known/")
_BY_REASON = {"not yet": "early", "closed": "over"}
_WORTH_ANOTHER_TRY = frozenset({"unavailable", "limited", "busy", "keys", "defect"})
_BY_STATUS = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.TOO_MANY_REQUESTS: "limited",
    HTTPStatus.INTERNAL_SERVER_ERROR: "defect",
}


class PageDesk:
    """Answers with the waiting page."""

    def __init__(self, pages: Pages, *, secure_cookies: bool) -> None:
        self._pages = pages
        self._secure = secure_cookies

    def answer(
        self,
        request: web.Request,
        room: Room,
        place: Place | None,
        standing: Standing | None,
        outside: str,
        refused: str = "missing",
    ) -> web.Response:
        """Render the page; `outside` says why there is no `standing`, `refused` why a token was not taken."""
        cookie = request.headers.get("Cookie")
        language = language_of(request, self._pages)
        refresh_s = chosen_refresh(request)
        kept = tuple(kept_query(request).items())
        view = PageView(
            room.onsale,
            room.snapshot,
            standing,
            place.number if place else None,
            stale=room.stale,
            language=language,
            epoch=place.epoch if place else None,
            line_epoch=room.line_of(place) if place else None,
            outside=_why_outside(room, outside),
            refused=refused if f"entry.{refused}" in language.texts else "missing",
            kept=kept,
            query="?" + urlencode(kept) if kept else "",
            told=tuple((name, request.query[name]) for name in _TOLD if name in request.query),
            refresh_s=refresh_s,
            start=_start(cookie, place, standing),
            slowdown=room.eta.slowdown.fields() if room.eta.slowdown else None,
            draw=_draw_shown(room),
            asked_late=NEXT in request.query,
        )
        response = page_answer(self._pages, self._pages.render(view), language)
        # The page holds no secret that could be guessed by its compressed size, as notices may: there it is left.
        response.enable_compression()
        if request.query.get(LANGUAGE) == language.code:
            self._keep(response, room, _LANGUAGE_COOKIE, language.code, _MONTH_S)
        if REFRESH in request.query:
            self.keep_refresh(response, room, refresh_s)
        if place is not None and view.start is not None:
            start = f"{place.epoch}.{place.number}.{view.start}"
            if find_cookie(cookie, _START_COOKIE) != start:
                self._keep(response, room, _START_COOKIE, start, _DAY_S, for_script=True)
        return response

    def keep_refresh(self, response: web.StreamResponse, room: Room, refresh_s: int) -> None:
        """Remember how often the buyer wants the page to be loaded again."""
        self._keep(response, room, _REFRESH_COOKIE, str(refresh_s), _DAY_S)

    def _keep(
        self,
        response: web.StreamResponse,
        room: Room,
        name: str,
        value: str,
        max_age_s: int,
        *,
        for_script: bool = False,
    ) -> None:
        cookie = set_cookie(name, value, path=f"/{room.name}", max_age_s=max_age_s, secure=self._secure)
        response.headers.add("Set-Cookie", cookie.replace("; HttpOnly", "") if for_script else cookie)


def language_of(request: web.Request, pages: Pages) -> Language:
    """Return the language in which to answer: chosen now, chosen before, or what the browser accepts."""
    wanted = request.query.get(LANGUAGE) or find_cookie(request.headers.get("Cookie"), _LANGUAGE_COOKIE)
    return pages.languages.choose(wanted, request.headers.get("Accept-Language"))


def chosen_refresh(request: web.Request, form_value: str | None = None) -> int:
    """Return how often a page without scripts is to be loaded again (seconds), 0 for never, which is also said to nonsense."""
    chosen = form_value or request.query.get(REFRESH)
    chosen = chosen or find_cookie(request.headers.get("Cookie"), _REFRESH_COOKIE) or ""
    return next((seconds for seconds in REFRESH_CHOICES if str(seconds) == chosen), 0)


def kept_query(request: web.Request) -> dict[str, str]:
    """Return what goes with a buyer from page to page: where in the shop they wanted to go, as they said it."""
    wanted = request.query.get(RETURN)
    return {RETURN: wanted} if wanted else {}


def notice_answer(
    request: web.Request,
    *,
    title: str,
    text: str,
    reason: str = "",
    code: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> web.Response:
    """Answer with a page which says one thing."""
    pages = request.app[PAGES]
    language = language_of(request, pages)
    onsale = request.match_info.get("onsale", "")
    notice = NoticeView(
        onsale,
        title,
        text,
        reason=reason,
        code=code,
        back=reason != "not_found",
        again=_again(request) if onsale and reason in _WORTH_ANOTHER_TRY else "",
        retried=status is HTTPStatus.SERVICE_UNAVAILABLE and reason == "unavailable",
        refresh_s=chosen_refresh(request),
    )
    return page_answer(pages, pages.render_notice(notice, language), language, status)


def _again(request: web.Request) -> str:
    """Return the address to ask once more: the page as it was asked for, and after a form the page that has the form."""
    page = f"/{request.match_info['onsale']}/"
    if request.method == "GET" and request.path == page:
        return request.raw_path
    kept = kept_query(request)
    return f"{page}?{urlencode(kept)}" if kept else page


def page_answer(
    pages: Pages, body: bytes, language: Language, status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    """Answer with a page."""
    headers = {"Cache-Control": "no-store", "Content-Language": language.code, **pages.security_headers}
    return web.Response(status=status, body=body, content_type="text/html", charset="utf-8", headers=headers)


@web.middleware
async def explain_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Show a buyer's browser a page where an app gets a problem+json; the status stays what it is."""
    response = await handler(request)
    if (
        not isinstance(response, web.Response)
        or response.content_type != PROBLEM_TYPE
        or not wants_html(request)
        or request.path.startswith(_NOT_FOR_BUYERS)
    ):
        return response
    words = language_of(request, request.app[PAGES])
    reason = str(json.loads(response.text or "{}").get("reason", ""))
    status = HTTPStatus(response.status)
    if f"entry.{reason}" in words.texts:
        title = words.text("headline.uninvited" if reason == "missing" else "entry.refused")
        text = words.text(f"entry.{reason}")
    else:
        reason = _BY_REASON.get(reason, reason)
        if f"refused.{reason}.text" not in words.texts:
            reason = _BY_STATUS.get(status, "unavailable")
        title, text = words.text(f"refused.{reason}.title"), words.text(f"refused.{reason}.text")
    page = notice_answer(request, title=title, text=text, reason=reason, status=status)
    for name in ("Retry-After", "WWW-Authenticate", "Allow"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    for cookie in response.headers.getall("Set-Cookie", ()):
        page.headers.add("Set-Cookie", cookie)
    return page


def _draw_shown(room: Room) -> DrawShown | None:
    if not room.drawn:
        return None
    snapshot = room.snapshot
    terms = room.onsale.spec.draw
    value = snapshot.beacon if snapshot is not None else ""
    return DrawShown(room.commitment or "", terms.beacon if terms else "", value)


def _why_outside(room: Room, outside: str) -> str:
    """Say more closely why a buyer has no place: joining may not have begun, or be over."""
    snapshot = room.snapshot
    if outside != "outside" or snapshot is None:
        return outside
    if snapshot.phase == "closed":
        return "closed"
    begins_at_s = joining_begins_at_s(room.onsale, snapshot)
    return "early" if begins_at_s is not None and snapshot.at_s < begins_at_s else outside


def _start(cookie: str | None, place: Place | None, standing: Standing | None) -> int | None:
    """Return how many were ahead when this place's position was first shown, which is now unless the cookie knows better."""
    if place is None or standing is None or standing.ahead is None:
        return None
    if standing.state not in {State.WAITING, State.HELD}:
        return None
    epoch, _, rest = (find_cookie(cookie, _START_COOKIE) or "").partition(".")
    number, _, start = rest.partition(".")
    known = (epoch, number) == (str(place.epoch), str(place.number)) and start.isascii() and start.isdigit()
    return max(standing.ahead, int(start[:12])) if known else standing.ahead
