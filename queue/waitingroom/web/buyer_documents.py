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
    """Why the wait has grown."""

    code: Annotated[Cause, Field(description="The cause, for programs.")]
    text: Annotated[str, Field(description="The cause in English, with its figures.")]
    rate_per_s: Annotated[float | None, Field(description="Buyers/s let in now.")] = None
    usual_per_s: Annotated[float | None, Field(description="Buyers/s let in until then.")] = None
    ready: Annotated[int | None, Field(description="Ready replicas of the shop.")] = None
    usual_ready: Annotated[int | None, Field(description="Ready replicas until then.")] = None
    reason: Annotated[str | None, Field(description="What operators say of a hold.")] = None


_AS_OF = "The store's time for which this holds, in Unix seconds."
_STALE = "True while the store cannot be reached: this is the last copy."
_ETA_REASON = "There while the line is slower than usual."


class Status(Document):
    """Where a buyer stands; null for what is not known yet."""

    onsale: Annotated[str, Field(description="The onsale's name.")]
    state: Annotated[
        State,
        Field(
            description=(
                "prequeue: before the opening; waiting; released: it is your turn, enter; late: registered, as the turn "
                "had passed; admitted: a pass is held; held: operators let nobody in for now; closed."
            )
        ),
    ]
    number: Annotated[int, Field(description="The place's number within its epoch.")]
    epoch: Annotated[int, Field(description="The epoch in which the number was issued.")]
    position: Annotated[int | None, Field(description="The place in line; null until the draw is published.")]
    ahead: Annotated[int | None, Field(description="Buyers in front.")]
    eta_s: Annotated[
        tuple[float, float] | None,
        Field(description="A range of seconds from as_of on; most waits end within it."),
    ]
    retry_after: Annotated[float, Field(description="Seconds after which to ask again.")]
    as_of: Annotated[float, Field(description=_AS_OF)]
    stale: Annotated[bool, Field(description=_STALE)]
    rate_per_s: Annotated[float, Field(description="Buyers/s that may be let in now.")]
    released_per_s: Annotated[float, Field(description="Buyers/s whose turn came lately.")]
    waiting: Annotated[int, Field(description="Buyers in line.")]
    reason: Annotated[str | None, Field(description="What operators say of a hold.")] = None
    message: Annotated[str | None, Field(description="What operators say else.")] = None
    soldout: Annotated[bool, Field(description="Everything is sold.")] = False
    opens: Annotated[float | None, Field(description="The opening, in Unix seconds.")] = None
    claim_by: Annotated[
        float | None, Field(description="Until when to enter in this turn, in the store's Unix seconds.")
    ] = None
    eta_reason: Annotated[EtaReason | None, Field(description=_ETA_REASON)]
    draw: Annotated[
        str | None,
        Field(description="The draw's signed record; a client that keeps it can give it back after a loss."),
    ] = None


class Joined(Status):
    """A place, and where it stands."""

    place: Annotated[str, Field(description="The signed place, as it is in the cookie; for apps to keep.")]


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

    code: Annotated[str, Field(max_length=64, description="The code; blanks, dashes and case do not count.")]


class IssuedCode(Document):
    """A code with which the place can be moved to another device, good once and for `expires_in` seconds."""

    onsale: str
    code: str
    expires_in: Annotated[int, Field(description="Seconds.")]


class Admitted(Document):
    """The buyer may enter the shop; the pass is in the cookie."""

    state: Literal["admitted"]
    location: Annotated[str, Field(description="Where in the shop to go.")]
    session: Annotated[str, Field(description="The session's id, as the shop gets it in X-Tidegate-Session.")]
    expires: Annotated[int, Field(description="When the pass ends unless it is renewed, in Unix seconds.")]


class PublicState(Document):
    """The onsale's public state, the same for everyone."""

    onsale: str
    title: Annotated[dict[str, str], Field(description="The title by language.")]
    phase: Annotated[
        str, Field(description="prequeue, open, held (operators let nobody in for now) or closed.")
    ]
    as_of: Annotated[float, Field(description=_AS_OF)]
    stale: Annotated[bool, Field(description=_STALE)]
    epoch: Annotated[int, Field(description="The newest epoch.")]
    tail: Annotated[int, Field(description="The last number issued in it.")]
    released: Annotated[int, Field(description="The highest position whose turn has come in it.")]
    claimed: Annotated[int, Field(description="Places that were used to enter, in all.")]
    no_shows: Annotated[int, Field(description="Turns that nobody took, in all.")]
    waiting: Annotated[int, Field(description="Buyers in line.")]
    late: Annotated[int, Field(description="Late buyers who are served next.")]
    sessions: Annotated[int, Field(description="Buyers in the shop.")]
    capacity: Annotated[int | None, Field(description="At most so many of them; null: no bound.")]
    rate_per_s: Annotated[float, Field(description="Buyers/s that may be let in now.")]
    rate_reason: Annotated[str, Field(description="What that rate rests on.")]
    burst: Annotated[int, Field(description="Buyers that may be let in at once.")]
    arrivals_per_s: Annotated[float, Field(description="Buyers/s who joined lately.")]
    released_per_s: Annotated[float, Field(description="Buyers/s whose turn came lately.")]
    claimed_per_s: Annotated[float, Field(description="Buyers/s who entered lately.")]
    eta_s: Annotated[
        tuple[float, float] | None, Field(description="A range of seconds for somebody who joined now.")
    ]
    eta_reason: Annotated[EtaReason | None, Field(description=_ETA_REASON)]
    hold: Annotated[str, Field(description="What operators say of a hold; empty: there is none.")]
    message: Annotated[str, Field(description="What operators say else.")]
    soldout: Annotated[bool, Field(description="Everything is sold.")]
    opens: Annotated[float | None, Field(description="The opening, in Unix seconds.")]
    closes: Annotated[float | None, Field(description="The end, in Unix seconds.")]
    draw: Annotated[dict[str, Any] | None, Field(description="The published draw.")]


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
