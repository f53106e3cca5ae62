"""Who may sign in: how the token file is opened here, and what an entry opens. How a token is checked is the rulebook's.

A token of role `shop`, and one which is kept to single onsales, does not open the console, which shows everything.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from autoscaler.errors import ConfigurationError
from rulebook.admintokens import Role, TokenEntry, TokenError
from rulebook.tokencheck import TokenCheck
from rulebook.tokenfile import FollowedTokens, Reread

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


def open_tokens(path: Path) -> TokenCheck:
    """Follow a token file.

    Raises:
        ConfigurationError: it cannot be read, or holds something else.
    """
    try:
        return TokenCheck(path, in_thread=asyncio.to_thread, turn=asyncio.Semaphore(1), on_reread=_log_reread)
    except TokenError as error:
        raise ConfigurationError(f"console: {error}") from error


def opens_console(entry: TokenEntry) -> bool:
    """Tell whether the holder may see everything."""
    return entry.role is not Role.SHOP and entry.onsales is None


def may_act(entry: TokenEntry) -> bool:
    """Tell whether the holder may change something."""
    return opens_console(entry) and entry.role is Role.OPERATOR


def _log_reread(followed: FollowedTokens, reread: Reread) -> None:
    if reread.problem:
        _log.warning("console_tokens_kept", reason=reread.problem)
    else:
        _log.info("console_tokens_read", file=str(followed.path), tokens=len(followed.entries))
