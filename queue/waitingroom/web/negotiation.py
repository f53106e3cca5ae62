"""Which form of an answer a client wants: a page, or JSON for apps and scripts. Problems follow RFC 9457."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web
from multidict import istr

PROBLEM_TYPE = "application/problem+json"
_SITE = istr("Sec-Fetch-Site")  # looked up at every join: such a name is found without being made lower case


def wants_html(request: web.BaseRequest) -> bool:
    """Tell whether the client is a browser that shows pages: it names text/html, and no JSON before it."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    html = accept.find("text/html")
    if html < 0:
        return False
    wanted_json = accept.find("json")
    return wanted_json < 0 or html < wanted_json


def is_from_another_site(request: web.BaseRequest) -> bool:
    """Tell whether a page of another site made the browser send this: our cookies are missing then, and would be replaced."""
    return request.headers.get(_SITE) == "cross-site"


def is_from_a_neighbour(request: web.BaseRequest) -> bool:
    """Tell whether a page of another host under our domain made the browser send this: with our cookies, then."""
    return request.headers.get(_SITE) == "same-site"


def retry_header(seconds: float) -> str:
    """Format a `Retry-After` value: whole seconds, at least 1."""
    return str(max(1, math.ceil(seconds)))


def problem(
    status: HTTPStatus, title: str, detail: str, *, retry_after_s: float | None = None, **members: Any
) -> web.Response:
    """Answer with problem+json; `members` are added to the document."""
    document: Mapping[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status.value,
        "detail": detail,
        **({} if retry_after_s is None else {"retry_after": round(retry_after_s, 2)}),
        **members,
    }
    headers = {"Cache-Control": "no-store"}
    if retry_after_s is not None:
        headers["Retry-After"] = retry_header(retry_after_s)
    return web.Response(
        status=status.value, body=json.dumps(document), content_type=PROBLEM_TYPE, headers=headers
    )
