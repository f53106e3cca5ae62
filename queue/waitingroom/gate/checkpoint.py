"""The check itself: is there a pass that holds, and does its session go on?

No store is asked: a pass is renewed on its own signature, and the store hears of it in batches (`sessions`), so that buyers
inside go on shopping while the store is away.
"""

from __future__ import annotations

from dataclasses import dataclass

from rulebook import Onsale
from rulebook.memo import Memo
from waitingroom.gate.reader import PassReader
from waitingroom.gate.renewing import is_due, renew_after_s
from waitingroom.gate.sessions import Sessions
from waitingroom.keyring import Keyring
from waitingroom.passes import Pass, sign_pass
from waitingroom.store.client import SessionTimes
from waitingroom.web.cookies import expire_cookie, pass_cookie, set_cookie

_RENEWED_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Renewed:
    """A renewed pass, signed a short while ago."""

    token: str
    issued_at_s: int
    device: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The buyer may go on. `renewed` is a new pass for the buyer's cookie jar, where one was made."""

    admission: Pass
    renewed: str | None

    def cookie(self, now_s: float, *, secure: bool) -> str | None:
        """Format the `Set-Cookie` header for the renewed pass; None where there is none."""
        if self.renewed is None:
            return None
        name = pass_cookie(self.admission.onsale)
        stay = max(1, int(self.admission.ends_at_s - now_s))
        return set_cookie(name, self.renewed, path="/", max_age_s=stay, secure=secure)

    def expired_cookie(self, *, secure: bool) -> str:
        """Format the `Set-Cookie` header which takes the pass away."""
        return expire_cookie(pass_cookie(self.admission.onsale), path="/", secure=secure)


class Checkpoint:
    """Checks the passes of all onsales."""

    def __init__(self, keyring: Keyring, sessions: Sessions, *, secure_cookies: bool) -> None:
        self.renewals = 0
        self._keyring = keyring
        self._sessions = sessions
        self._secure = secure_cookies
        self._reader = PassReader(keyring)
        self._renewed: Memo[Renewed] = Memo(_RENEWED_REMEMBERED)

    def check(self, onsale: Onsale, cookie: str | None, now_s: float) -> Allowed | None:
        """Return the buyer's admission, None where there is none that holds."""
        admission = self._reader.read(onsale.name, cookie, now_s, secure=self._secure)
        if admission is None or self._sessions.is_over(admission.session):
            return None
        return Allowed(admission, self._renew(onsale, admission, now_s))

    def renew(self, onsale: Onsale, admission: Pass, now_s: float) -> str | None:
        """Return the signed pass of a session that goes on, None for one that is over or whose pass does not hold now."""
        if not admission.is_current(now_s) or self._sessions.is_over(admission.session):
            return None
        return self._renewed_pass(onsale, admission, now_s)

    def _renew(self, onsale: Onsale, admission: Pass, now_s: float) -> str | None:
        if not is_due(onsale, admission, now_s):
            return None
        return self._renewed_pass(onsale, admission, now_s)

    def _renewed_pass(self, onsale: Onsale, admission: Pass, now_s: float) -> str:
        length = onsale.spec.session.length_s
        # The requests of one page come together with the same old pass, and some clients keep it: they share one new pass.
        fresh = self._renewed.get(admission.session)
        if (
            fresh is None
            or now_s - fresh.issued_at_s >= renew_after_s(onsale) / 2
            or fresh.device != admission.device
        ):
            renewed = admission.renewed(now_s, length)
            times = SessionTimes(renewed.expires_at_s, renewed.ends_at_s)
            self._sessions.renew(onsale.name, renewed.session, times)
            fresh = Renewed(sign_pass(renewed, self._keyring), renewed.issued_at_s, renewed.device)
            self._renewed.put(admission.session, fresh)
            self.renewals += 1
        return fresh.token
