"""Who may sign in: the check of a presented token, and what its entry opens here. The token file is the rulebook's.

A token of role `shop`, and one which is kept to single onsales, does not open the console, which shows everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from autoscaler.errors import ConfigurationError, TooManyComparisons
from rulebook.admintokens import (
    Role,
    TokenEntry,
    TokenError,
    could_be_made,
    could_be_token,
    digest_of,
    find_by_digest,
    matches_slowly,
)
from rulebook.tokenfile import FollowedTokens

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


MOST_WAITING: Final = 16
"""Slow comparisons under way or waiting, each of about a second: more than one client alone may have (`sessions.TRIES`)."""


class TokenFile:
    """The entries of a token file, as it stands now.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._followed = FollowedTokens(path)
        except TokenError as error:
            raise ConfigurationError(f"console: {error}") from error
        # One at a time: each takes up to 128 MiB.
        self._computing = asyncio.Semaphore(1)
        self._comparisons = 0

    def find_made(self, token: str) -> TokenEntry | None:
        """Return the entry of a token that we made, which nobody can guess."""
        self._refresh()
        return find_by_digest(self._followed.entries, digest_of(token)) if could_be_made(token) else None

    async def find(self, token: str) -> TokenEntry | None:
        """Return the entry whose token this is; how long that takes does not tell which it is.

        Raises:
            TooManyComparisons: there is no room for one more.
        """
        self._refresh()
        if not could_be_token(token):
            return None
        found = find_by_digest(self._followed.entries, digest_of(token))
        slow = [entry for entry in self._followed.entries if entry.scrypt is not None]
        if found is not None or not slow:
            return found
        if self._comparisons >= MOST_WAITING:
            raise TooManyComparisons(f"{self._comparisons} tokens are being compared already")
        self._comparisons += 1
        try:
            return await self._compare(slow, token)
        finally:
            self._comparisons -= 1

    async def _compare(self, slow: Sequence[TokenEntry], token: str) -> TokenEntry | None:
        for entry in slow:
            async with self._computing:
                if await asyncio.to_thread(matches_slowly, entry, token):
                    return entry
        return None

    def still_holds(self, entry: TokenEntry) -> bool:
        """Tell whether an entry stands in the file as it did: who is taken out of it, is out at once."""
        self._refresh()
        return entry in self._followed.entries

    def _refresh(self) -> None:
        reread = self._followed.refresh()
        if reread is None:
            return
        if reread.problem:
            _log.warning("console_tokens_kept", reason=reread.problem)
        else:
            _log.info(
                "console_tokens_read", file=str(self._followed.path), tokens=len(self._followed.entries)
            )


def opens_console(entry: TokenEntry) -> bool:
    """Tell whether the holder may see everything."""
    return entry.role is not Role.SHOP and entry.onsales is None


def may_act(entry: TokenEntry) -> bool:
    """Tell whether the holder may change something."""
    return opens_console(entry) and entry.role is Role.OPERATOR
