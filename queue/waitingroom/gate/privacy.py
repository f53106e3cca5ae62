"""An answer with a buyer's own pass is for that buyer: no shared cache may keep it, whatever the shop says of it. Pure."""

from __future__ import annotations

from multidict import CIMultiDict

_SHARED = ("surrogate-control", "cdn-cache-control")
"""Headers, and the ends of headers, by which a shop speaks to shared caches alone."""
_FOR_ALL = frozenset({"public", "private", "s-maxage", "proxy-revalidate"})


def keep_to_buyer(headers: CIMultiDict[str], cookie: str) -> None:
    """Add a cookie of the buyer's own to an answer's headers, and keep the answer out of shared caches."""
    headers.add("Set-Cookie", cookie)
    for name in [name for name in headers if is_for_shared_caches(name)]:
        headers.popall(name, None)
    told = ", ".join(headers.popall("Cache-Control", ()))
    headers["Cache-Control"] = private_form(told)


def private_form(control: str) -> str:
    """Return a `Cache-Control` value under which only the buyer's own browser keeps the answer, for as long as the shop says.

    Where a directive has a quoted value, which may name headers, nothing is kept at all.
    """
    if '"' in control:
        return "private, no-store"
    kept = [part.strip() for part in control.split(",")]
    own = [part for part in kept if part and part.partition("=")[0].strip().lower() not in _FOR_ALL]
    return ", ".join(["private", *own])


def is_for_shared_caches(name: str) -> bool:
    """Tell whether a header speaks to shared caches alone."""
    return name.lower().endswith(_SHARED)
