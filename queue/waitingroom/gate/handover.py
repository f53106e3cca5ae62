"""The hand-over to a shop on another domain: what a code looks like, what it stands for, and where it is good; pure.

Cookies of the room's host never reach a shop of another host. So `enter` leads there by a code in the address of a reserved path,
which the gate exchanges for cookies of the shop's own host. A code opens the shop once, within `CODE_HOLDS_S`; the store keeps
its hash only. Making codes and asking the store is `handovers`' job.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs, urlsplit

from waitingroom.gate.guard import host_name
from waitingroom.gate.reserved import ENTER_PATH

CODE_HOLDS_S = 30.0
DEVICES_PER_SESSION = 3
"""How many devices may take over one session: more than one, as an answer with cookies may get lost on its way."""
SECRET_CHARS = 22
_CODE = re.compile(rf"([a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?)\.([A-Za-z0-9_-]{{{SECRET_CHARS}}})")
_MAX_QUERY_CHARS = 1024


@dataclass(frozen=True, slots=True)
class Code:
    """A code: the onsale it belongs to, in clear so that the right slot of the store is asked, and 128 random bits."""

    onsale: str
    secret: str

    @property
    def text(self) -> str:
        """The code as it stands in the address."""
        return f"{self.onsale}.{self.secret}"

    @property
    def digest(self) -> str:
        """What the store keeps of it; the onsale is part of it."""
        return hashlib.sha256(b"tidegate handover v1:" + self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Offer:
    """What a code stands for: a session with its times (unix seconds), and where in the shop the buyer goes."""

    session: str
    expires_at_s: int
    ends_at_s: int
    location: str

    def to_json(self) -> str:
        """Encode for the store."""
        return json.dumps(asdict(self))


def read_offer(text: str) -> Offer:
    """Decode what `to_json` made.

    Raises:
        KeyError, ValueError, TypeError: it is of another version.
    """
    fields = json.loads(text)
    return Offer(
        str(fields["session"]),
        int(fields["expires_at_s"]),
        int(fields["ends_at_s"]),
        str(fields["location"]),
    )


def read_code(text: str) -> Code | None:
    """Return the code in `text`, None where it has not the form of one."""
    found = _CODE.fullmatch(text)
    return Code(found[1], found[2]) if found else None


def code_in(target: str) -> Code | None:
    """Return the one code in the query of a request's target, None where there is none, two, or something else."""
    _, _, query = target.partition("?")
    if len(query) > _MAX_QUERY_CHARS:
        return None
    codes = parse_qs(query, keep_blank_values=True).get("code", [])
    return read_code(codes[0]) if len(codes) == 1 else None


def needs_handover(room_url: str, shop: str) -> bool:
    """Tell whether the shop is on another host than the room: cookies belong to a host, whatever its port."""
    return urlsplit(room_url).hostname != urlsplit(shop).hostname


def handover_address(shop: str, code: Code) -> str:
    """Return the address at the shop's own origin by which the buyer comes in."""
    parts = urlsplit(shop)
    return f"{parts.scheme}://{parts.netloc}{ENTER_PATH}?code={code.text}"


def is_at_shop(shop: str, hosts: Iterable[str]) -> bool:
    """Tell whether a request that names these hosts came to the shop's, so that cookies set there reach the shop."""
    wanted = (urlsplit(shop).hostname or "").removesuffix(".")
    return any(_bare(host_name(host)) == wanted for host in hosts)


def _bare(name: str | None) -> str | None:
    return name.strip("[]") if name is not None else None
