"""What a buyer without a pass is answered: the way to the line. Pure, and shared by the gate, the proxy and the middleware.

A page is redirected, an app gets problem+json. Being queued is no failure: it is never a 5xx.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rulebook import Onsale
from waitingroom.gate.returning import return_address

ROOM_HEADER = "X-Tidegate-Room"
SESSION_HEADER = "X-Tidegate-Session"
ONSALE_HEADER = "X-Tidegate-Onsale"
QUEUED_RETRY_S = 5
_NO_STORE = ("Cache-Control", "no-store")
_PROBLEM = ("Content-Type", "application/problem+json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


def room_address(room_url: str, onsale: Onsale, method: str, target: str) -> str:
    """Return the address of the line; the path a buyer wanted to read goes with it, if the shop would be returned to there."""
    address = f"{room_url.rstrip('/')}/{onsale.name}/"
    if method not in {"GET", "HEAD"} or return_address(onsale.spec.shop, target) == onsale.spec.shop:
        return address
    return f"{address}?return={quote(target, safe='/')}"


def send_to_line(accept: str, address: str, *, waiting: int | None = None) -> Answer:
    """Redirect a page to the room's address (303), tell an app to go there (429)."""
    if prefers_page(accept):
        return Answer(303, (("Location", address), _NO_STORE))
    return problem_answer(
        429,
        "Waiting room",
        "This shop is entered through its waiting room; join the line there.",
        retry_after=QUEUED_RETRY_S,
        location=address,
        waiting=waiting,
    )


def problem_answer(status: int, title: str, detail: str, **members: Any) -> Answer:
    """Answer with problem+json (RFC 9457); a member `retry_after`, in whole seconds, is said in the header too."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    retry = (("Retry-After", str(members["retry_after"])),) if "retry_after" in members else ()
    return Answer(status, (_PROBLEM, _NO_STORE, *retry), json.dumps(document).encode())


def prefers_page(accept: str) -> bool:
    """Tell whether the client is a browser that shows pages: it names text/html, and no JSON before it."""
    html = accept.find("text/html")
    wanted_json = accept.find("json")
    return html >= 0 and (wanted_json < 0 or html < wanted_json)
