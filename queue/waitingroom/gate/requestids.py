"""By which id a request is found again: in the answer, at the shop, and in all logs.

A trusted proxy's id is taken over, so that it is one id all the way. What buyers send is not: they could make theirs anybody's.
"""

from __future__ import annotations

import itertools
import re
import secrets

from aiohttp import web

from waitingroom.gate.headers import REQUEST_ID_HEADER
from waitingroom.gate.trust import TrustedProxies

REQUEST_ID = web.RequestKey("request_id", str)
_FORM = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_PROCESS = secrets.token_hex(6)
_COUNTER = itertools.count(1)


def find_request_id(request: web.BaseRequest, trusted: TrustedProxies) -> str:
    """Return the id which a trusted proxy gave the request, a new one if there is none."""
    given = request.headers.get(REQUEST_ID_HEADER)
    if given is not None and trusted.holds(request.remote) and _FORM.fullmatch(given):
        return given
    # Random for the process, then counted: randomness for each request costs the hot path too much.
    return f"{_PROCESS}-{next(_COUNTER):x}"


def keep_request_id(request: web.BaseRequest, trusted: TrustedProxies) -> str:
    """Return the id by which the request is already known; else find one, and know it by that from now on."""
    known = request.get(REQUEST_ID)
    if known is None:
        known = request[REQUEST_ID] = find_request_id(request, trusted)
    return known
