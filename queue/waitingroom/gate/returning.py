"""Where a buyer is sent after the line: the onsale's shop, or a path under it; pure.

What a buyer wanted comes back to us through the buyer's own browser, so it may be anything. Only a path is taken from it, and
only one which no browser or server reads as something else: the scheme, host and port are always the shop's own.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from waitingroom.gate.reserved import RESERVED

MAX_RETURN_CHARS = 1024
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})+"
_PATH = re.compile(rf"(?:/{_SEGMENT})*/?")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
# Encoded controls, and in a path also the encodings of # % . / : ; ? @ \ which a server might decode before it reads the path.
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_ENCODED_MARK = re.compile(r"%(?:2[35EeFf]|3[ABFabf]|40|5[Cc])")


def return_address(shop: str, wanted: str | None) -> str:
    """Return `wanted`, a path with or without query, at the shop's address if it lies under the shop's path; else `shop`.

    A path of our own there (`RESERVED`) is none of the shop's. `wanted` may also be a whole address, as some proxies pass it,
    if it begins with the very origin of the shop.
    """
    if not wanted or len(wanted) > MAX_RETURN_CHARS:
        return shop
    parts = urlsplit(shop)
    origin = f"{parts.scheme}://{parts.netloc}"
    path, mark, query = wanted.removeprefix(origin).partition("?")
    if not _is_clean(path) or not _QUERY.fullmatch(query) or _ENCODED_CONTROL.search(query):
        return shop
    if f"{path}/".lower().startswith(RESERVED):
        return shop  # the way in is no place to come back to
    root = parts.path.rstrip("/")
    if path != root and not path.startswith(root + "/"):
        return shop
    return origin + path + mark + query


def _is_clean(path: str) -> bool:
    if not path.startswith("/") or not _PATH.fullmatch(path):
        return False
    if _ENCODED_CONTROL.search(path) or _ENCODED_MARK.search(path):
        return False
    return all(segment.partition(";")[0] not in {".", ".."} for segment in path.split("/"))
