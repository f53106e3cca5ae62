"""The check of a token that somebody presents, for the admin API and the console alike.

It knows no event loop and no log: room and scaler each give it a way to a thread, and are told when the file was read again.
What an entry opens, and how often somebody may try, they decide for themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeAlias

from rulebook.admintokens import (
    TokenEntry,
    could_be_made,
    could_be_token,
    digest_of,
    find_by_digest,
    matches_slowly,
)
from rulebook.errors import RulebookError
from rulebook.memo import Memo
from rulebook.tokenfile import FollowedTokens, Reread

MOST_WAITING: Final = 16
"""Slow comparisons under way or waiting, each of about a second: more than one client alone may have at once."""
_PROVEN_REMEMBERED: Final = 64

InThread: TypeAlias = Callable[[Callable[[TokenEntry, str], bool], TokenEntry, str], Awaitable[bool]]
"""Calls a function with an entry and a token where it holds nobody up; `asyncio.to_thread` is one."""


class TooManyComparisons(RulebookError):
    """A token that somebody chose was not compared: too many others wait to be. It is good or bad as before."""


class TokenCheck:
    """The entries of a token file as it stands now, and whose a token is.

    `turn` is held for each slow comparison, so that one is made at a time: each takes up to 128 MiB. `on_reread` is told when
    a changed file was read, whether or not it is in force.

    Raises:
        TokenError: the file cannot be read, or holds something else.
    """

    def __init__(
        self,
        path: Path,
        *,
        in_thread: InThread,
        turn: AbstractAsyncContextManager[None],
        on_reread: Callable[[FollowedTokens, Reread], None],
    ) -> None:
        self._followed = FollowedTokens(path)
        self._in_thread = in_thread
        self._turn = turn
        self._on_reread = on_reread
        self._proven: Memo[TokenEntry] = Memo(_PROVEN_REMEMBERED)
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

    def still_holds(self, entry: TokenEntry) -> bool:
        """Tell whether an entry stands in the file as it did: who is taken out of it, is out at once."""
        self._refresh()
        return entry in self._followed.entries

    async def _find_slowly(self, token: str, digest: str) -> TokenEntry | None:
        slow = [entry for entry in self._followed.entries if entry.scrypt is not None]
        if not slow:
            return None
        if self._comparisons >= MOST_WAITING:
            raise TooManyComparisons(f"{self._comparisons} tokens are being compared already")
        self._comparisons += 1
        try:
            for entry in slow:
                async with self._turn:
                    matches = await self._in_thread(matches_slowly, entry, token)
                if matches and self.still_holds(entry):  # it may have been taken out meanwhile
                    self._proven.put(digest, entry)
                    return entry
        finally:
            self._comparisons -= 1
        return None

    def _refresh(self) -> None:
        reread = self._followed.refresh()
        if reread is None:
            return
        if not reread.problem:
            self._proven.clear()
        self._on_reread(self._followed, reread)
