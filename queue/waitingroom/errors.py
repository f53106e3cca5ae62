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


class ChangeRefused(WaitingRoomError):
    """The change makes no sense in the onsale's present state; nothing was changed."""


class JoinRefused(WaitingRoomError):
    """No place is given out now: the onsale is not open for joining yet, or it is over. No number was used."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidToken(WaitingRoomError):
    """A place or a pass is malformed, forged, of another onsale, expired, or signed with a key we don't hold."""


class EntryRefused(WaitingRoomError):
    """Whoever asks brings no token that lets them into this line. No number was used.

    `reason` is one of `ENTRY_REASONS`; `kid` names a key which is not among ours, and may be among newer ones.
    """

    def __init__(self, reason: str, kid: str | None = None) -> None:
        super().__init__(f"entry: {reason}")
        self.reason = reason
        self.kid = kid


ENTRY_REASONS = (
    "missing",
    "malformed",
    "algorithm",
    "unknown_key",
    "signature",
    "expired",
    "not_yet",
    "issuer",
    "audience",
    "subject",
)


class KeysUnavailable(WaitingRoomError):
    """The shop's keys for entry tokens are not known yet, so that nobody can be let into the line. No number was used."""


class MoveRefused(WaitingRoomError):
    """The place stays where it is, and nothing was changed.

    `reason` is one of `MOVE_REASONS`: `held`, another device holds the account's place and the buyer has not asked to move it;
    `moved`, another device holds this place now; `entered`, it has been used to enter the shop; `exhausted`, it was moved as
    often as it may be; `code`, there is no such code (any more); `busy`, too many wrong codes were tried at this onsale.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"move: {reason}")
        self.reason = reason


MOVE_REASONS = ("held", "moved", "entered", "exhausted", "code", "busy")
