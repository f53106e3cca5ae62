"""What buyers' routes answer, as pydantic models: they describe the hand-made JSON of `answers`, and tests hold both together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from waitingroom.slowdown import Cause
from waitingroom.standing import State


class Document(BaseModel):
    """An answer; further fields may come."""

    model_config = ConfigDict(frozen=True, extra="allow")


class EtaReason(Document):
    """Why the wait has grown: a code with its figures (buyers/s now and usually, ready replicas), and an English text."""

    code: Cause
    text: str
    rate_per_s: float | None = None
    usual_per_s: float | None = None
    ready: int | None = None
    usual_ready: int | None = None
    reason: str | None = None


class Status(Document):
    """Where a buyer stands; null for what is not known yet. Times in seconds, `as_of`, `opens` and `claim_by` in the store's.

    `reason` is what operators say of a hold, `message` what they say else; `claim_by` is until when to enter in this turn.
    `draw` is the signed record, in lines that are drawn; a client which keeps it can give it back after a loss.
    `eta_s` is a range from `as_of` on: most waits end within it. `eta_reason` is there while the line is slower than usual.
    """

    onsale: str
    state: State
    number: int
    epoch: int
    position: int | None
    ahead: int | None
    eta_s: tuple[float, float] | None
    retry_after: float
    as_of: float
    stale: bool
    rate_per_s: float
    released_per_s: float
    waiting: int
    reason: str | None = None
    message: str | None = None
    soldout: bool = False
    opens: float | None = None
    claim_by: float | None = None
    eta_reason: EtaReason | None
    draw: str | None = None


class Joined(Status):
    """A place, and where it stands."""

    place: str


class JoinBody(BaseModel):
    """What a join may carry where entry is by token."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    token: str | None = Field(
        default=None, description="The shop's entry token; a bearer token or cookie does as well."
    )
    move: bool = Field(
        default=False, description="Bring the account's place here, even if another device holds it."
    )


class MoveBody(BaseModel):
    """A recovery code, as it was typed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: Annotated[str, Field(max_length=64)]


class IssuedCode(Document):
    """A code with which the place can be moved to another device, good once and for `expires_in` seconds."""

    onsale: str
    code: str
    expires_in: int


class Admitted(Document):
    """The buyer may enter the shop; the pass is in the cookie."""

    state: Literal["admitted"]
    location: str
    session: str
    expires: int


class PublicState(Document):
    """The onsale's public state, the same for everyone."""

    onsale: str
    title: dict[str, str]
    phase: str
    as_of: float
    stale: bool
    epoch: int
    tail: int
    released: int
    waiting: int
    sessions: int
    capacity: int | None
    rate_per_s: float
    rate_reason: str
    eta_s: tuple[float, float] | None
    """For somebody who joined now."""
    eta_reason: EtaReason | None
    opens: float | None
    closes: float | None
    draw: dict[str, Any] | None


class DrawBeacon(Document):
    """A public source that was announced; its value is null until the opening, when it is given."""

    source: str
    value: str | None


class ShownRecord(BaseModel):
    """A draw's record as this room once signed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    record: Annotated[
        str,
        Field(min_length=1, max_length=2_600, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"),
    ]


class DrawAnswer(Document):
    """The hash of the draw's seed, the beacon if one was announced, and from the opening on the signed record."""

    onsale: str
    commitment: str | None
    beacon: DrawBeacon | None
    note: str
    record: str | None
