"""The ways in which a shop may read a path; pure.

Servers differ: one decodes once and another twice, one resolves dots before decoding and another after, one merges slashes,
takes `\\` for `/`, or drops `;parameters` from a segment. A gate which knows one way only can be led around by a spelling that
the shop reads in another, and where a proxy and a shop each do one of these, in whatever order they do them. So every way is
listed here, and `guard` lets a request through only if each of them is allowed.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from waitingroom.errors import WaitingRoomError

MAX_DECODES = 3
_MAX_ODD_CHARS = 2048
_MAX_READINGS = 128
_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_CUT = re.compile(r"[?#]")


class UnclearPath(WaitingRoomError):
    """A path which no two servers need agree on: a gate refuses it."""


def readings(path: str) -> frozenset[str]:
    """Return every reading of a path as it stands in a request line; one for all ordinary paths.

    Raises:
        UnclearPath: control characters, an encoding deeper than `MAX_DECODES`, an odd path of excessive length, or one with
            more readings than anybody means.
    """
    if path and _PLAIN.fullmatch(path):
        return frozenset({_tidy(path)})
    if len(path) > _MAX_ODD_CHARS:
        raise UnclearPath("path: too long for its encoding")
    _check_decoding(path)
    # Each step makes a text no longer and undoes no other, so this comes to an end.
    texts = {_as_bytes(path)}
    fresh = list(texts)
    while fresh:
        text = fresh.pop()
        found = {step(text) for step in _STEPS} - texts
        texts |= found
        fresh += found
        if len(texts) > _MAX_READINGS:
            raise UnclearPath("path: may be read in too many ways")
    return frozenset(_tidy(text) for text in texts)


def canonical_path(path: str) -> str:
    """Return the one reading that counts for a path in a document: decoded once, dots resolved, slashes merged."""
    return _tidy(_resolve(_merge(_decode(_as_bytes(path)))))


def _check_decoding(path: str) -> None:
    """Refuse what holds control characters when decoded once, twice ... or never comes to an end of it."""
    text = _as_bytes(path)
    for _ in range(MAX_DECODES + 1):
        if _CONTROLS.search(text):
            raise UnclearPath("path: holds control characters")
        decoded = _decode(text)
        if decoded == text:
            return
        text = decoded
    raise UnclearPath(f"path: still encoded after {MAX_DECODES} decodings")


def _as_bytes(path: str) -> str:
    """Return the path with one character a byte, so that encoded and plain spellings of a letter compare equal."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def _decode(text: str) -> str:
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1") if "%" in text else text


def _cut(text: str) -> str:
    return _CUT.split(text, maxsplit=1)[0]


def _drop_parameters(text: str) -> str:
    return "/".join(part.partition(";")[0] for part in text.split("/"))


def _turn_slashes(text: str) -> str:
    return text.replace("\\", "/")


def _merge(text: str) -> str:
    return re.sub("/{2,}", "/", text)


def _resolve(text: str) -> str:
    """Resolve `.` and `..` segments (RFC 3986, 5.2.4)."""
    resolved: list[str] = []
    for segment in text.split("/")[1:]:
        if segment == "..":
            del resolved[-1:]
        elif segment != ".":
            resolved.append(segment)
    return "/" + "/".join(resolved)


def _tidy(text: str) -> str:
    """Begin with one slash and end with none, so that `/cactus/` and `/cactus` compare equal."""
    return "/" + text.strip("/")


_STEPS = (_decode, _cut, _drop_parameters, _turn_slashes, _merge, _resolve)
"""What one server or another does to a path, once or again, in any order."""
