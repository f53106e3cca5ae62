"""The check itself: is there a pass, ours, current, for this onsale, and bound to this device?

A pass seen before costs a look-up; the signature is verified once. No store is asked: a pass is renewed on its own signature,
and the store hears of it in batches (`sessions`), so that buyers inside go on shopping while the store is away.
"""

from __future__ import annotations

from dataclasses import dataclass

from rulebook import Onsale
from waitingroom.errors import InvalidToken
from waitingroom.gate.sessions import Sessions
from waitingroom.keyring import Keyring
from waitingroom.memo import Memo
from waitingroom.passes import Pass, device_hash, sign_pass, verify_pass
from waitingroom.web.cookies import find_cookie, find_device, pass_cookie

RENEW_AFTER_S = 60.0
_PASSES_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Allowed:
    """The buyer may go on. `renewed` is a new pass for the buyer's cookie jar, where one was made."""

    admission: Pass
    renewed: str | None


class Checkpoint:
    """Checks the passes of all onsales."""

    def __init__(self, keyring: Keyring, sessions: Sessions) -> None:
        self._keyring = keyring
        self._sessions = sessions
        self._passes: Memo[Pass] = Memo(_PASSES_REMEMBERED)
        self._devices: Memo[str] = Memo(_PASSES_REMEMBERED)

    def check(self, onsale: Onsale, cookie: str | None, now_s: float) -> Allowed | None:
        """Return the buyer's admission, None where there is none that holds."""
        token = find_cookie(cookie, pass_cookie(onsale.name))
        device = find_device(cookie)
        if not token or device is None:
            return None
        admission = self._verify(token, onsale.name)
        if admission is None or not admission.is_current(now_s) or self._hash(device) != admission.device:
            return None
        if self._sessions.is_over(admission.session):
            return None
        return Allowed(admission, self._renew(onsale, admission, now_s))

    def _verify(self, token: str, onsale: str) -> Pass | None:
        key = f"{onsale}:{token}"
        admission = self._passes.get(key)
        if admission is None:
            try:
                admission = verify_pass(token, onsale, self._keyring)
            except InvalidToken:
                return None
            self._passes.put(key, admission)
        return admission

    def _hash(self, device: str) -> str:
        digest = self._devices.get(device)
        if digest is None:
            digest = device_hash(device)
            self._devices.put(device, digest)
        return digest

    def _renew(self, onsale: Onsale, admission: Pass, now_s: float) -> str | None:
        length = onsale.spec.session.length_s
        if (
            now_s - admission.issued_at_s < min(RENEW_AFTER_S, length / 3)
            or admission.expires_at_s >= admission.ends_at_s
        ):
            return None
        renewed = admission.renewed(now_s, length)
        self._sessions.renew(onsale.name, renewed.session, renewed.expires_at_s)
        return sign_pass(renewed, self._keyring)
