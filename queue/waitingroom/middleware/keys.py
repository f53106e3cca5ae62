"""The public keys by which a shop checks passes: a fixed set, or the room's, fetched and kept.

A key that is not known yet makes for a new fetch, at most one each `retry_s`, whatever strangers send; a set older than
`max_age_s` is fetched anew, so that keys which were taken back stop counting. While the room cannot be reached the last set stays
in force; before the first there is none, and nobody gets in.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from waitingroom.errors import ConfigurationError
from waitingroom.gate.reader import PassReader
from waitingroom.keyring import Keyring

_MAX_DOCUMENT_BYTES = 65_536
_FETCH_TIMEOUT_S = 3.0

log = structlog.get_logger(__name__)

Fetch = Callable[[str], bytes]


class Keys(Protocol):
    """A set of keys, as `OfflineGate` uses it."""

    @property
    def kids(self) -> frozenset[str]:
        """The names of the keys known now."""
        ...

    @property
    def reader(self) -> PassReader:
        """Reads passes by the keys known now."""
        ...

    def is_due(self, unknown_kid: str | None) -> bool:
        """Tell whether `refresh` should be called; cheap, asked at every request."""
        ...

    def refresh(self, unknown_kid: str | None) -> None:
        """Get a newer set if it is due; may block, never raises."""
        ...


class StaticKeys:
    """A fixed key set, as a JWKS document.

    Raises:
        ConfigurationError: it holds no key that passes are signed with.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        keys = read_keys(document)
        if not keys:
            raise ConfigurationError("key set: holds no Ed25519 key with a kid")
        self.kids = frozenset(keys)
        self.reader = _reader(keys)

    def is_due(self, unknown_kid: str | None) -> bool:
        """Never."""
        return False

    def refresh(self, unknown_kid: str | None) -> None:
        """Stay as it is."""


class FetchedKeys:
    """The key set at `url` (the room's `/.well-known/jwks.json`); usable from several threads.

    Raises:
        ConfigurationError: `url` is not an http(s) address.
    """

    def __init__(
        self,
        url: str,
        *,
        retry_s: float = 30.0,
        max_age_s: float = 3600.0,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ConfigurationError(f"key set {url!r}: not an http:// or https:// address")
        self._url = url
        self._retry_s = retry_s
        self._max_age_s = max_age_s
        self._fetch = fetch or fetch_document
        self._clock = clock
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self.kids: frozenset[str] = frozenset()
        self.reader = _reader({})

    def is_due(self, unknown_kid: str | None) -> bool:
        """Tell whether the set lacks a key or is old, and the last try is long enough ago, or still under way."""
        lacking = unknown_kid is not None and unknown_kid not in self.kids
        if not lacking and self._clock() - self._fetched_at < self._max_age_s:
            return False
        return self._clock() - self._tried_at >= self._retry_s or (not self.kids and self._lock.locked())

    def refresh(self, unknown_kid: str | None) -> None:
        """Fetch the set. Callers who come while a fetch is under way wait for it and share what it brings."""
        with self._lock:
            if not self.is_due(unknown_kid) or self._clock() - self._tried_at < self._retry_s:
                return
            self._tried_at = self._clock()
            try:
                keys = read_keys(json.loads(self._fetch(self._url)))
                if not keys:
                    raise ValueError("holds no Ed25519 key with a kid")
            except Exception as error:  # whatever the room answers, or doesn't: no request fails by it
                log.warning(
                    "keys_not_fetched", url=self._url, reason=f"{type(error).__name__}: {str(error)[:200]}"
                )
                return
            self._fetched_at = self._clock()
            self.reader, self.kids = _reader(keys), frozenset(keys)


def read_keys(document: Any) -> dict[str, OKPKey]:
    """Return the keys of a JWKS document that passes may be signed with, by `kid`; others are left aside.

    Raises:
        ValueError: it is no JWKS document.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWKS document")
    keys: dict[str, OKPKey] = {}
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
            continue
        kid, x = entry.get("kid"), entry.get("x")
        if not isinstance(kid, str) or not isinstance(x, str):
            continue
        try:
            keys[kid] = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
        except (JoseError, ValueError):
            continue
    return keys


def fetch_document(url: str) -> bytes:
    """Fetch a document of moderate size.

    Raises:
        OSError: it cannot be had.
        ValueError: it is too large.
    """
    with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT_S) as answer:  # noqa: S310 - http(s) alone: FetchedKeys looks
        document: bytes = answer.read(_MAX_DOCUMENT_BYTES + 1)
    if len(document) > _MAX_DOCUMENT_BYTES:
        raise ValueError("too large")
    return document


def _reader(keys: Mapping[str, OKPKey]) -> PassReader:
    return PassReader(Keyring(place_keys={}, pass_keys=keys, draw_seeds={}))
