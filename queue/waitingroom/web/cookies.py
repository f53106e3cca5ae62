"""Reading and writing our cookies.

Read by a plain scan of the header: `http.cookies` alone would halve the rate of a status request.
"""

from __future__ import annotations

import re
import secrets

DEVICE_COOKIE = "tidegate_device"
_HOST_DEVICE_COOKIE = f"__Host-{DEVICE_COOKIE}"
"""Over https. Browsers take a cookie of such a name from this very host only: no neighbour under the same domain can set a
buyer's device, to which place and pass are bound. So the plain name is not read there: whoever set it knows the nonce, and could
ask for what is bound to it."""
PLACE_COOKIE = "tidegate_place"
ENTRY_COOKIE = "tidegate_entry"
"""The shop's entry token, from the page's address until the buyer has joined."""
_ADMISSION_PREFIX = "tidegate_pass_"
_DEVICE_FORM = re.compile(r"[A-Za-z0-9_-]{22}")
YEAR_S = 31_536_000


def pass_cookie(onsale: str) -> str:
    """Name the cookie which holds the pass of an onsale."""
    return _ADMISSION_PREFIX + onsale


def find_cookie(header: str | None, name: str) -> str | None:
    """Return the value of a cookie in a `Cookie` header; the first one counts, as the most specific path comes first."""
    if not header:
        return None
    wanted = name + "="
    if header.startswith(wanted):
        start = len(wanted)
    else:
        found = header.find("; " + wanted)
        if found < 0:
            return None
        start = found + 2 + len(wanted)
    end = header.find(";", start)
    return header[start:] if end < 0 else header[start:end]


def device_cookie(*, secure: bool) -> str:
    """Name the cookie which holds the device's nonce, where cookies are `secure` and where they are not."""
    return _HOST_DEVICE_COOKIE if secure else DEVICE_COOKIE


def told_device(header: str | None, *, secure: bool) -> str | None:
    """Return what stands as the device in a `Cookie` header, whatever its form, under the name by which it is set."""
    return find_cookie(header, _HOST_DEVICE_COOKIE if secure else DEVICE_COOKIE)


def find_device(header: str | None, *, secure: bool) -> str | None:
    """Return the device nonce in a `Cookie` header, None where there is none of our form."""
    device = find_cookie(header, _HOST_DEVICE_COOKIE if secure else DEVICE_COOKIE)
    return device if device is not None and _DEVICE_FORM.fullmatch(device) else None


def is_device(text: str) -> bool:
    """Tell whether a text has the form of our device nonces."""
    return _DEVICE_FORM.fullmatch(text) is not None


def new_device() -> str:
    """Make a device nonce: 128 random bits as 22 characters."""
    return secrets.token_urlsafe(16)


def set_cookie(name: str, value: str, *, path: str, max_age_s: int, secure: bool) -> str:
    """Format a `Set-Cookie` header; values are our own tokens, which need no quoting."""
    return f"{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def cookie_line(name: str, *, path: str, max_age_s: int, secure: bool) -> tuple[str, str]:
    """Return what stands before and behind a value in the line of a head that sets the cookie, to be made once."""
    around = set_cookie(name, "\n", path=path, max_age_s=max_age_s, secure=secure)
    before, _, behind = around.partition("\n")
    return f"Set-Cookie: {before}", f"{behind}\r\n"


def expire_cookie(name: str, *, path: str, secure: bool) -> str:
    """Format a `Set-Cookie` header which removes a cookie."""
    return set_cookie(name, "", path=path, max_age_s=0, secure=secure)
