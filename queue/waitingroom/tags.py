"""Tags: what the store keeps in place of names and secrets. A tag tells two apart and, without our key, nothing else.

The accounts which a shop names, the devices which hold their places, and recovery codes. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No letter looks like another or like a digit: 0 O, 1 I L and U (which sounds like V) are left out."""
CODE_LENGTH = 10
_HALF = CODE_LENGTH // 2
_TAG_BYTES = 16


def account_tag(key: bytes, onsale: str, subject: str) -> str:
    """Tag an account: the `sub` of the shop's tokens, for one onsale."""
    return _tag(key, b"account", onsale, subject)


def device_tag(key: bytes, device: bytes) -> str:
    """Tag a device by its nonce."""
    return _tag(key, b"device", "", device.decode("latin-1"))


def code_tag(key: bytes, onsale: str, code: str) -> str | None:
    """Tag a recovery code as a buyer typed it; None for what cannot be one."""
    typed = "".join(letter for letter in code.upper() if letter not in " -\t")
    if len(typed) != CODE_LENGTH or any(letter not in CODE_LETTERS for letter in typed):
        return None
    return _tag(key, b"code", onsale, typed)


def new_code() -> str:
    """Make a recovery code of 49 random bits, in two groups."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    return f"{letters[:_HALF]}-{letters[_HALF:]}"


def _tag(key: bytes, kind: bytes, onsale: str, name: str) -> str:
    parts = [kind, onsale.encode(), name.encode()]
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)[:_TAG_BYTES]).rstrip(b"=").decode()
