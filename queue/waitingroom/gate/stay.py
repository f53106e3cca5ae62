"""How long a connection that was let in may stay: for as long as its session goes on."""

from __future__ import annotations

from waitingroom.gate.renewing import RENEW_AFTER_S
from waitingroom.gate.sessions import Sessions
from waitingroom.passes import SKEW_S, Pass
from waitingroom.store.client import SessionTimes


class Stay:
    """An open WebSocket's session. What the buyer sends keeps the session going, as requests do; the hard end stands."""

    def __init__(self, admission: Pass, sessions: Sessions, length_s: float) -> None:
        self._admission = admission
        self._sessions = sessions
        self._length_s = length_s
        self._expires_at_s = float(admission.expires_at_s + SKEW_S)
        self._renewed_at_s = float(admission.issued_at_s)

    def active(self, now_s: float) -> None:
        """Note that the buyer has sent something."""
        if now_s - self._renewed_at_s < min(RENEW_AFTER_S, self._length_s / 3):
            return
        self._renewed_at_s = now_s
        times = SessionTimes(
            min(now_s + self._length_s, self._admission.ends_at_s), self._admission.ends_at_s
        )
        self._expires_at_s = max(self._expires_at_s, times.expires_at_s)
        self._sessions.renew(self._admission.onsale, self._admission.session, times)

    def is_over(self, now_s: float) -> bool:
        """Tell whether the session has ended, was ended or has run out."""
        return now_s >= min(self._expires_at_s, self._admission.ends_at_s + SKEW_S) or self._sessions.is_over(
            self._admission.session
        )
