"""What buyers' routes answer, as pydantic models: they describe the hand-made JSON of `answers`, and tests hold both together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from waitingroom.standing import State


class Document(BaseModel):
    """An answer; further fields may come."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Status(Document):
    """Where a buyer stands; null for what is not known yet. Times in seconds, `as_of` in the store's."""

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
    waiting: int


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
    opens: float | None
    closes: float | None
    draw: dict[str, Any] | None


class DrawAnswer(Document):
    """The hash of the draw's seed, and from the opening on the signed record."""

    onsale: str
    commitment: str | None
    record: str | None
