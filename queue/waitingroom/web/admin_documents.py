"""What the admin API takes and gives, as pydantic models; the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# Shown to buyers or written to the log: no control characters, and not only blanks.
_TEXT_FORM = r"^[^\x00-\x20\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
Text = Annotated[str, Field(min_length=1, max_length=300, pattern=_TEXT_FORM)]
_RATE_FORM = r"^[0-9]{1,6}(\.[0-9]{1,6})?/(s|m|h)$"
RateText = Annotated[str, Field(pattern=_RATE_FORM, examples=["12/s", "300/m"])]
SESSION_FORM = r"^[A-Za-z0-9_-]{22}$"
SessionId = Annotated[str, Field(pattern=SESSION_FORM)]
OnsaleName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
FORMS = {
    _TEXT_FORM: "must be one line of text that does not begin with a blank",
    _RATE_FORM: "must be a rate such as 12/s or 300/m",
    SESSION_FORM: "must be a session's id: 22 letters, digits, - and _",
}
"""What is meant, by the pattern which was not met."""


class Body(BaseModel):
    """What a request carries: nothing unknown, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Empty(Body):
    """Nothing."""


class Hold(Body):
    """Releases nobody until `resume`; the reason is shown to buyers."""

    reason: Text


class Rate(Body):
    """The operator's ceiling, at most the document's; null takes it back."""

    rate: RateText | None


class Capacity(Body):
    """The operator's bound on live sessions, at most the document's; null takes it back."""

    capacity: Annotated[int, Field(ge=0, le=1_000_000_000)] | None


class Moment(Body):
    """Now, or again at the time that stands in the document."""

    at: Literal["now", "document"] = "now"


class SoldOut(Body):
    """Sold out counts as closed; false takes it back."""

    soldout: bool = True


class Message(Body):
    """A text shown to buyers; null takes it back."""

    message: Text | None


class Beacon(Body):
    """The value of the beacon that the document names, exactly as its source tells it."""

    value: Annotated[
        str, Field(min_length=1, max_length=300, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
    ]


class Revoke(Body):
    """The session whose pass is to hold no longer."""

    session: SessionId


class SessionOf(Body):
    """The onsale of a session, where the query doesn't name it."""

    onsale: OnsaleName | None = None


class Document(BaseModel):
    """What an answer carries."""

    model_config = ConfigDict(frozen=True)


class Problem(Document):
    """RFC 9457."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    detail: str


class OnsaleSummary(Document):
    """One line of the list of onsales; null where the room has not reached its store yet."""

    name: str
    phase: str | None
    stale: bool
    waiting: int | None
    released: int | None
    sessions: int | None
    rate_per_s: float | None
    rate_reason: str | None
    hold: str | None


class OnsaleList(Document):
    """All onsales which the token may see."""

    onsales: list[OnsaleSummary]


class OnsaleDetail(Document):
    """Everything known of one onsale: its counters, what operators have set, and the document."""

    name: str
    phase: str | None
    stale: bool
    snapshot: dict[str, Any] | None
    overrides: dict[str, str]
    document: dict[str, Any]


class Change(Document):
    """A change that was made; `before` and `after` hold the fields of the store which it touched."""

    at: float
    who: str
    what: str
    onsale: str
    request_id: str
    before: dict[str, str]
    after: dict[str, str]


class AuditLog(Document):
    """The last changes, newest first."""

    entries: list[Change]


class SessionEnded(Document):
    """`was_live` is false for a session that was over already, or that the store doesn't know."""

    onsale: str
    session: str
    was_live: bool


class Check(Document):
    """One check before an onsale."""

    name: str
    result: Literal["pass", "warn", "fail"]
    detail: str


class Preflight(Document):
    """All checks; `result` is the worst of them."""

    onsale: str
    result: Literal["pass", "warn", "fail"]
    checks: list[Check]
