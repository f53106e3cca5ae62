"""The token file of the admin API: how it is opened here. How a presented token is checked is the rulebook's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from rulebook.admintokens import TokenError
from rulebook.tokencheck import TokenCheck
from rulebook.tokenfile import FollowedTokens, Reread
from waitingroom.errors import ConfigurationError

log = structlog.get_logger(__name__)


def open_tokens(path: Path) -> TokenCheck:
    """Follow a token file.

    Raises:
        ConfigurationError: it cannot be read, or holds something else.
    """
    try:
        return TokenCheck(path, in_thread=asyncio.to_thread, turn=asyncio.Semaphore(1), on_reread=_log_reread)
    except TokenError as error:
        raise ConfigurationError(str(error)) from error


def _log_reread(followed: FollowedTokens, reread: Reread) -> None:
    if reread.problem:
        log.warning("admin_tokens_kept", reason=reread.problem)
    else:
        log.info("admin_tokens_read", file=str(followed.path), tokens=len(followed.entries))
