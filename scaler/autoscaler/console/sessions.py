"""Who is signed in, in this process's memory, and how often somebody may try. It knows no HTTP; times are monotonic."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from rulebook.admintokens import TokenEntry

IDLE_S: Final = 3600.0
"""A session that nobody uses ends after this; an open page uses it."""
HARD_S: Final = 12 * 3600.0
MOST: Final = 1000
NOTICES: Final = 20
TRIES: Final = 10
TRY_EVERY_S: Final = 6.0
"""After `TRIES` wrong tokens at once, another may be tried this often."""


@dataclass(slots=True)
class Session:
    """One person at one browser. `form_key` goes with each form, so that nobody else's page can send one."""

    entry: TokenEntry
    began_s: float
    used_s: float
    form_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    notices: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What came of actions and is to be shown once: grade and text, by the key in the address of the page that shows it."""

    def owns(self, form_key: object) -> bool:
        """Tell whether a form was made for this session."""
        return isinstance(form_key, str) and hmac.compare_digest(form_key.encode(), self.form_key.encode())

    def leave_notice(self, grade: str, text: str) -> str:
        """Have something shown once; returns the key. By it alone: a page which renews itself meanwhile must not take it."""
        if len(self.notices) >= NOTICES:
            del self.notices[next(iter(self.notices))]
        key = secrets.token_urlsafe(6)
        self.notices[key] = (grade, text)
        return key

    def take_notice(self, key: str) -> tuple[str, str] | None:
        """Return what is to be shown once."""
        return self.notices.pop(key, None)


class Sessions:
    """The sessions by their secret ids."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def begin(self, entry: TokenEntry, now_s: float) -> str:
        """Sign somebody in; returns the id. Where there are too many, the one longest unused ends."""
        for key in [key for key, session in self._sessions.items() if _is_over(session, now_s)]:
            del self._sessions[key]
        if len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used_s)]
        key = secrets.token_urlsafe(32)
        self._sessions[key] = Session(entry, now_s, now_s)
        return key

    def find(self, key: str, now_s: float) -> Session | None:
        """Return a session, and count it as used."""
        session = self._sessions.get(key)
        if session is None:
            return None
        if _is_over(session, now_s):
            del self._sessions[key]
            return None
        session.used_s = now_s
        return session

    def end(self, key: str) -> None:
        """Sign somebody out."""
        self._sessions.pop(key, None)


class Attempts:
    """How many wrong tokens came from each client lately."""

    def __init__(self) -> None:
        self._debts: dict[str, tuple[float, float]] = {}

    def wait_s(self, client: str, now_s: float) -> float:
        """Return for how long a client has to wait before the next try."""
        return max(0.0, (self._debt(client, now_s) - TRIES + 1) * TRY_EVERY_S)

    def failed(self, client: str, now_s: float) -> None:
        """Count a wrong token."""
        if len(self._debts) >= MOST:
            self._debts = {key: debt for key, debt in self._debts.items() if self._debt(key, now_s) > 0.0}
        if len(self._debts) >= MOST and client not in self._debts:
            del self._debts[next(iter(self._debts))]
        self._debts[client] = (self._debt(client, now_s) + 1.0, now_s)

    def succeeded(self, client: str) -> None:
        """Forgive the try that was counted ahead of its outcome."""
        debt, at_s = self._debts.get(client, (0.0, 0.0))
        if debt > 0.0:
            self._debts[client] = (debt - 1.0, at_s)

    def _debt(self, client: str, now_s: float) -> float:
        debt, at_s = self._debts.get(client, (0.0, now_s))
        return max(0.0, debt - (now_s - at_s) / TRY_EVERY_S)


def _is_over(session: Session, now_s: float) -> bool:
    return now_s - session.used_s > IDLE_S or now_s - session.began_s > HARD_S
