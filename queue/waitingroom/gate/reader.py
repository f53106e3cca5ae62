"""Reads the pass in a buyer's cookies: is it ours, for this onsale, current, and bound to this device?

Shared by the gate and the middleware. A pass seen before costs a look-up; the signature is verified once. Whether its session has
been ended since is not known here.
"""

from __future__ import annotations

from rulebook.memo import Memo
from waitingroom.errors import InvalidToken
from waitingroom.keyring import Keyring
from waitingroom.passes import Pass, device_hash, verify_pass
from waitingroom.web.cookies import find_cookie, is_device, pass_cookie, told_device

_REMEMBERED = 50_000


class PassReader:
    """Reads passes that the keys of `keyring` signed; only its pass keys are used, and their public halves are enough."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._changes = keyring.changes
        self._passes: Memo[Pass] = Memo(_REMEMBERED)
        self._devices: Memo[str] = Memo(_REMEMBERED)

    def read(self, onsale: str, cookie: str | None, now_s: float, *, secure: bool) -> Pass | None:
        """Return the pass which holds for `onsale` at `now_s` among the cookies, None where there is none.

        `secure` says whether cookies are, and so which of them names the device.
        """
        token = find_cookie(cookie, pass_cookie(onsale))
        device = told_device(cookie, secure=secure)
        if not token or not device:
            return None
        if self._keyring.changes != self._changes:
            self._changes = self._keyring.changes
            self._passes.clear()
        admission = self._passes.get(token) or self._verify(token, onsale)
        # What was verified for one onsale is remembered by its token alone, so the onsale is looked at each time.
        if admission is None or admission.onsale != onsale or not admission.is_current(now_s):
            return None
        known = self._devices.get(device) or self._hash(device)
        return admission if known == admission.device else None

    def _verify(self, token: str, onsale: str) -> Pass | None:
        try:
            admission = verify_pass(token, onsale, self._keyring)
        except InvalidToken:
            return None
        self._passes.put(token, admission)
        return admission

    def _hash(self, device: str) -> str | None:
        if not is_device(device):
            return None
        digest = device_hash(device)
        self._devices.put(device, digest)
        return digest
