"""The check of a token that is presented to the admin API. What an entry is, and how its file is followed, is the rulebook's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from rulebook.admintokens import (
    TokenEntry,
    TokenError,
    could_be_made,
    could_be_token,
    digest_of,
    find_by_digest,
    matches_slowly,
)
from rulebook.memo import Memo
from rulebook.tokenfile import FollowedTokens
from waitingroom.errors import ConfigurationError, TooManyComparisons

_PROVEN_REMEMBERED = 64
MOST_WAITING = 16
"""Slow comparisons under way or waiting, each of about a second: more than one client alone may try at once."""

log = structlog.get_logger(__name__)


class TokenFile:
    """The entries of a token file, as it stands now.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._followed = FollowedTokens(path)
        except TokenError as error:
            raise ConfigurationError(str(error)) from error
        self._proven: Memo[TokenEntry] = Memo(_PROVEN_REMEMBERED)
        # One at a time: each takes up to 128 MiB.
        self._computing = asyncio.Semaphore(1)
        self._comparisons = 0

    def find_made(self, token: str) -> TokenEntry | None:
        """Return the entry of a token that we made, which nobody can guess."""
        self._refresh()
        return find_by_digest(self._followed.entries, digest_of(token)) if could_be_made(token) else None

    async def find(self, token: str) -> TokenEntry | None:
        """Return the entry whose token this is; whoever asks bounds how often, as people choose tokens that can be guessed.

        Raises:
            TooManyComparisons: there is no room for one more.
        """
        self._refresh()
        if not could_be_token(token):
            return None
        digest = digest_of(token)
        found = find_by_digest(self._followed.entries, digest) or self._proven.get(digest)
        return found or await self._find_slowly(token, digest)

    async def _find_slowly(self, token: str, digest: str) -> TokenEntry | None:
        slow = [entry for entry in self._followed.entries if entry.scrypt is not None]
        if slow and self._comparisons >= MOST_WAITING:
            raise TooManyComparisons(f"{self._comparisons} tokens are being compared already")
        self._comparisons += 1
        try:
            return await self._compare(slow, token, digest)
        finally:
            self._comparisons -= 1

    async def _compare(self, slow: Sequence[TokenEntry], token: str, digest: str) -> TokenEntry | None:
        for entry in slow:
            async with self._computing:
                matches = await asyncio.to_thread(matches_slowly, entry, token)
            if matches:
                self._proven.put(digest, entry)
                return entry
        return None

    def _refresh(self) -> None:
        reread = self._followed.refresh()
        if reread is None:
            return
        if reread.problem:
            log.warning("admin_tokens_kept", reason=reread.problem)
            return
        self._proven.clear()
        log.info("admin_tokens_read", file=str(self._followed.path), tokens=len(self._followed.entries))
