"""A shop which invites buyers: its keys, and the tokens that it signs."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from rulebook import Onsale
from tests.waitingroom.samples import onsale

ISSUER = "https://shop.example.org"
_ALL = list(JWSRegistry.algorithms)


class _Lenient(JWSRegistry):
    """Signs by whatever algorithm a test wants, without a warning."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


@dataclass(frozen=True)
class Shop:
    """One key of each kind; `kids` name them by algorithm."""

    ed: OKPKey = field(default_factory=lambda: OKPKey.generate_key("Ed25519", private=True))
    ec: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", private=True))
    rsa: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, private=True))

    def key(self, algorithm: str) -> OKPKey | ECKey | RSAKey:
        return {"EdDSA": self.ed, "ES256": self.ec, "RS256": self.rsa}[algorithm]

    def published(self, *algorithms: str) -> dict[str, Any]:
        """The public keys as a JWKS document."""
        wanted = algorithms or ("EdDSA", "ES256", "RS256")
        return {
            "keys": [
                {**self.key(name).as_dict(private=False), "kid": name, "use": "sig", "alg": name}
                for name in wanted
            ]
        }

    def invite(self, subject: Any, algorithm: str = "EdDSA", **changes: Any) -> str:
        """Sign a token of `subject`; `changes` replace claims, None removes one, `kid` is the header's."""
        now = int(time.time())
        header = {"alg": algorithm, "kid": changes.pop("kid", algorithm)}
        claims = {"iss": ISSUER, "aud": "cactus", "sub": subject, "iat": now, "exp": now + 600} | changes
        return jwt.encode(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            self.key(algorithm),
            registry=_Lenient(),
        )

    def write(self, folder: Path) -> None:
        """Publish the keys as a file beside the documents."""
        documents = folder / "onsales"
        documents.mkdir(exist_ok=True)
        (documents / "shop.jwks.json").write_text(json.dumps(self.published()))


def presale(**spec: Any) -> Onsale:
    """An onsale for the invited, its keys in the file which `Shop.write` makes."""
    rules = {"keysFile": "shop.jwks.json", "issuer": ISSUER}
    return onsale(**{"entry": "token", "entryToken": rules, **spec})
