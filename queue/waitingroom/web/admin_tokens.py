"""The check of a token that is presented to the admin API. What an entry is, and how its file is followed, is the rulebook's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from rulebook.admintokens import (
    TokenEntry,
    TokenError,
    could_be_token,
    digest_of,
    find_by_digest,
    matches_slowly,
)
from rulebook.tokenfile import FollowedTokens
from waitingroom.errors import ConfigurationError
from waitingroom.memo import Memo

_PROVEN_REMEMBERED = 64

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

    async def find(self, token: str) -> TokenEntry | None:
        """Return the entry whose token this is."""
        self._refresh()
        if not could_be_token(token):
            return None
        digest = digest_of(token)
        found = find_by_digest(self._followed.entries, digest) or self._proven.get(digest)
        return found or await self._find_slowly(token, digest)

    async def _find_slowly(self, token: str, digest: str) -> TokenEntry | None:
        for entry in self._followed.entries:
            if entry.scrypt is not None and await asyncio.to_thread(matches_slowly, entry, token):
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
