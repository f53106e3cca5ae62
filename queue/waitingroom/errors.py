"""What can go wrong in the waiting room; every error here has a one-line message fit for an operator."""

from __future__ import annotations


class WaitingRoomError(Exception):
    """The root of this package's errors."""


class ConfigurationError(WaitingRoomError):
    """Settings, key files or documents cannot be used; raised at start or reload, with what, where and what to do."""


class StateUnwritable(WaitingRoomError):
    """The state folder cannot be written; raised from the system's error. The sale goes on, with one copy less."""


class StoreUnavailable(WaitingRoomError):
    """The store did not answer, or refused; raised from the client's error. Nothing was admitted."""


class JoinRefused(WaitingRoomError):
    """No place is given out now: the onsale is not open for joining yet, or it is over. No number was used."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidToken(WaitingRoomError):
    """A place or a pass is malformed, forged, of another onsale, expired, or signed with a key we don't hold."""
