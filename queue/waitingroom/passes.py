"""The pass: the signed admission (EdDSA JWT) of one device to one onsale's shop, made here and checked by every gate.

The algorithm is pinned; all claims are required. `exp` slides with the session (a gate renews it), `end` is the session's hard
end. The pass is bound to the device cookie by its hash, so that a shared link or a copied token admits nobody else.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key, KeySet, OKPKey

from waitingroom.errors import InvalidToken
from waitingroom.keyring import Keyring
from waitingroom.signatures import ALGORITHM, REGISTRY

ISSUER = "tidegate"
SKEW_S = 30
_MAX_TOKEN_CHARS = 2048
_REQUIRED: dict[str, jwt.ClaimsOption] = {
    "iss": {"essential": True, "value": ISSUER},
    **{name: {"essential": True} for name in ("aud", "sub", "iat", "exp", "end", "dev")},
}


@dataclass(frozen=True, slots=True)
class Pass:
    """An admission: session, onsale, the hash of the device it is bound to, and its times (unix seconds)."""

    session: str
    onsale: str
    device: str
    issued_at_s: int
    expires_at_s: int
    ends_at_s: int

    def is_current(self, now_s: float) -> bool:
        """Tell whether the pass holds at `now_s`, with the skew allowed between hosts."""
        return self.issued_at_s - SKEW_S <= now_s < self.expires_at_s + SKEW_S

    def renewed(self, now_s: float, length_s: float) -> Pass:
        """Slide the expiry to `length_s` from now, never beyond the hard end."""
        expires = min(int(now_s + length_s), self.ends_at_s)
        return Pass(self.session, self.onsale, self.device, int(now_s), expires, self.ends_at_s)


def device_hash(device: str) -> str:
    """Hash a device cookie for the pass, which is readable by whoever holds it."""
    digest = hashlib.sha256(b"tidegate device v1:" + device.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode("ascii")


def sign_pass(admission: Pass, keyring: Keyring) -> str:
    """Encode and sign a pass with the newest key."""
    kid = keyring.signing_pass_kid
    claims: jwt.Claims = {
        "iss": ISSUER,
        "aud": admission.onsale,
        "sub": admission.session,
        "iat": admission.issued_at_s,
        "exp": admission.expires_at_s,
        "end": admission.ends_at_s,
        "dev": admission.device,
    }
    return jwt.encode(
        {"alg": ALGORITHM, "kid": kid, "typ": "JWT"}, claims, keyring.pass_keys[kid], registry=REGISTRY
    )


def verify_pass(token: str, onsale: str, keyring: Keyring) -> Pass:
    """Return the pass in `token` if one of our keys signed it for this onsale. Its times are not checked here.

    Raises:
        InvalidToken: malformed, wrongly signed, of another algorithm, unknown key, or a claim is missing or wrong.
    """
    if len(token) > _MAX_TOKEN_CHARS:
        raise InvalidToken("pass: too long")

    def find_key(recipient: GuestProtocol) -> OKPKey:
        key = keyring.pass_keys.get(str(recipient.headers().get("kid")))
        if key is None:
            raise InvalidToken("pass: unknown key")
        return key

    try:
        claims = jwt.decode(token, find_key, registry=REGISTRY).claims
        # "Now" is the time of issue here: times are checked against the caller's clock by `is_current`, as often as it asks.
        jwt.JWTClaimsRegistry(int(claims["iat"]), 0, **_REQUIRED).validate(claims)
        admission = Pass(
            session=str(claims["sub"]),
            onsale=str(claims["aud"]),
            device=str(claims["dev"]),
            issued_at_s=int(claims["iat"]),
            expires_at_s=int(claims["exp"]),
            ends_at_s=int(claims["end"]),
        )
    except (JoseError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise InvalidToken(f"pass: {type(error).__name__}") from error
    if admission.onsale != onsale:
        raise InvalidToken("pass: of another onsale")
    return admission


def public_keys(keyring: Keyring) -> KeySet:
    """Return the public halves of all pass keys, as served at `/.well-known/jwks.json`."""
    keys: list[Key] = []
    for kid, key in sorted(keyring.pass_keys.items()):
        public = key.as_dict(private=False)
        keys.append(OKPKey.import_key({**public, "kid": kid, "use": "sig", "alg": ALGORITHM}))
    return KeySet(keys)
