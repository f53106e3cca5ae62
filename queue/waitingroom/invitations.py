"""Who may join where entry is by token: the shop's public keys, from a file or fetched and kept, and the check of a token.

A key which isn't known yet makes for a new fetch, at most one each `RETRY_S`, whatever strangers send; a set older than
`MAX_AGE_S` is fetched anew beside the checks, so that keys which the shop took back stop counting. While the shop doesn't answer,
or a file is broken, the last good set stays in force; before the first there is none, and nobody is let in.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import aiohttp
import structlog

from rulebook import Onsale
from rulebook.filestamp import file_stamp
from rulebook.onsale import EntryToken as EntryRules
from waitingroom.entrytoken import EntryKey, EntryTerms, EntryToken, read_entry_keys, verify_entry
from waitingroom.errors import ConfigurationError, EntryRefused, KeysUnavailable

RETRY_S = 10.0
MAX_AGE_S = 300.0
FETCH_WITHIN_S = 5.0
LOOK_EVERY_S = 1.0
_MAX_DOCUMENT_BYTES = 65_536

log = structlog.get_logger(__name__)


class KeySource(Protocol):
    """Where the shop's keys come from."""

    async def keys(self, lacking: str | None = None) -> Mapping[str, EntryKey]:
        """Return the keys in force; newer ones, where they can be had, if the key called `lacking` was not among the last.

        Raises:
            KeysUnavailable: there have been none yet.
        """
        ...


class KeyFile:
    """Keys from a file, read again when it has changed.

    Raises:
        ConfigurationError: it holds no keys that can be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = file_stamp(path)
        self._keys = _read_file(path)
        self._looked_at = time.monotonic()

    async def keys(self, lacking: str | None = None) -> Mapping[str, EntryKey]:
        """Return the keys, as they stand in the file; it is looked at every `LOOK_EVERY_S` at the most.

        Never without keys: those of a file that went bad stay in force.
        """
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            stamp = await asyncio.to_thread(file_stamp, self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._keys = await asyncio.to_thread(_read_file, self._path)
                except ConfigurationError as error:
                    log.warning("entry_keys_kept", reason=str(error))
        return self._keys


class KeyAddress:
    """Keys fetched from the shop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, EntryKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, lacking: str | None = None) -> Mapping[str, EntryKey]:
        """Return the keys fetched last; waits for a fetch only where there is nothing to go by.

        Raises:
            KeysUnavailable: none could be fetched yet.
        """
        now = time.monotonic()
        needed = not self._keys or (lacking is not None and lacking not in self._keys)
        if (needed or now - self._fetched_at >= MAX_AGE_S) and now - self._tried_at >= RETRY_S:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())
        if needed and self._fetching is not None:
            await asyncio.shield(self._fetching)
        if not self._keys:
            raise KeysUnavailable(f"no keys from {self._url} yet")
        return self._keys

    async def _fetch(self) -> None:
        try:
            self._keys = read_entry_keys(json.loads(await _fetch(self._url)))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            log.warning("entry_keys_not_fetched", url=self._url, reason=reason)
            return
        self._fetched_at = time.monotonic()
        log.info("entry_keys_fetched", url=self._url, kids=sorted(self._keys))


class Invitations:
    """Checks the tokens of one onsale."""

    def __init__(self, source: KeySource, terms: EntryTerms) -> None:
        self._source = source
        self._terms = terms

    async def check(self, token: str) -> EntryToken:
        """Return what a token says if it lets its bearer in.

        Raises:
            EntryRefused: it doesn't; `reason` says why.
            KeysUnavailable: there are no keys yet to check it by.
        """
        keys = await self._source.keys()
        try:
            return verify_entry(token, keys, self._terms, time.time())
        except EntryRefused as refused:
            if refused.kid is None:
                raise
            keys = await self._source.keys(lacking=refused.kid)
        return verify_entry(token, keys, self._terms, time.time())

    async def kids(self) -> list[str]:
        """Name the keys in force.

        Raises:
            KeysUnavailable: there are none yet.
        """
        return sorted(await self._source.keys())

    async def prepare(self) -> None:
        """Have the keys at hand before the first buyer comes; a shop that doesn't answer is asked again then."""
        try:
            await self.kids()
        except KeysUnavailable as error:
            log.warning("entry_keys_missing", reason=str(error))


def open_invitations(onsale: Onsale, folder: Path) -> Invitations | None:
    """Return what checks the onsale's tokens, None where anybody may join. Key files are relative to `folder`.

    Raises:
        ConfigurationError: the key file cannot be used.
    """
    rules = onsale.spec.entry_token
    if rules is None:
        return None
    terms = EntryTerms(rules.issuer, rules.audience or onsale.name, rules.algorithms)
    return Invitations(_source(rules, folder), terms)


def _source(rules: EntryRules, folder: Path) -> KeySource:
    if rules.keys_file is not None:
        return KeyFile(folder / rules.keys_file)
    return KeyAddress(rules.jwks or "")


async def _fetch(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_WITHIN_S)
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}")
        document = bytearray()
        async for chunk in answer.content.iter_chunked(16_384):
            document += chunk
            if len(document) > _MAX_DOCUMENT_BYTES:
                raise ValueError("too large for a key set")
        return bytes(document)


def _read_file(path: Path) -> dict[str, EntryKey]:
    try:
        return read_entry_keys(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"entry keys {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"entry keys {path}: {error}") from error
