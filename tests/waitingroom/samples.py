"""Values which the room's tests are written with."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import OKPKey

from rulebook import Onsale
from waitingroom.keyring import Keyring
from waitingroom.snapshot import Snapshot

KEYRING = Keyring(
    place_keys={"1": b"p" * 32},
    pass_keys={"1": OKPKey.generate_key("Ed25519", private=True)},
    draw_seeds={"cactus": b"s" * 32},
)


def onsale(name: str = "cactus", opens_in_s: float | None = None, **spec: Any) -> Onsale:
    """Build an onsale document; `spec` fields replace or add to the defaults."""
    document: dict[str, Any] = {
        "title": {"en": "Cactus"},
        "shop": "https://shop.example.org/cactus",
        "protect": [{"path": "/"}],
        "admission": {"rate": "10/s", "burst": 5, "claimWithin": "30s"},
        "session": {"length": "60s", "max": "300s"},
    }
    if opens_in_s is not None:
        now = datetime.now(UTC)
        document["prequeue"] = (now - timedelta(hours=1)).isoformat()
        document["opens"] = (now + timedelta(seconds=opens_in_s)).isoformat()
    document |= spec
    return Onsale.model_validate(
        {"apiVersion": "tidegate.dev/v1", "kind": "Onsale", "metadata": {"name": name}, "spec": document}
    )


def quiet_snapshot(**changes: Any) -> Snapshot:
    """Return the counters of an open room where nobody stands and nothing happens, with what is changed of them."""
    quiet = Snapshot(
        at_s=1_000.0,
        lines=(),
        rate_per_s=1.0,
        rate_reason="ceiling",
        burst=1,
        capacity=None,
        tokens=0.0,
        sessions=0,
        outstanding=0,
        claimed=0,
        no_shows=0,
        late=0,
        arrivals_per_s=0.0,
        released_per_s=0.0,
        claimed_per_s=0.0,
        opens_at_s=None,
        closes_at_s=None,
        hold="",
        draw_record="",
    )
    return replace(quiet, **changes)


def settings(**changes: str) -> dict[str, str]:
    """Return the store's settings of a fifo room without opening: 10/s, burst 5, a claim window of 30 s."""
    return {
        "rate": "10.0",
        "burst": "5",
        "capacity": "",
        "fallback": "2.0",
        "claim_us": "30000000",
        "prequeue_us": "0",
        "opens_us": "0",
        "closes_us": "0",
        "order": "fifo",
        "config": "test",
    } | changes


def device(number: int) -> str:
    """Return a device nonce of the form which the room makes."""
    return base64.urlsafe_b64encode(number.to_bytes(16, "big")).rstrip(b"=").decode()
