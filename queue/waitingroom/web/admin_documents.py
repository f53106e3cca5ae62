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

    reason: Annotated[Text, Field(description="Shown to buyers.")]


class Rate(Body):
    """The operator's ceiling, at most the document's; null takes it back."""

    rate: Annotated[RateText | None, Field(description="Such as 12/s; null: the document's.")]


class Capacity(Body):
    """The operator's bound on live sessions, at most the document's; null takes it back."""

    capacity: Annotated[int, Field(ge=0, le=1_000_000_000)] | None


class Moment(Body):
    """Now, or again at the time that stands in the document."""

    at: Annotated[Literal["now", "document"], Field(description="now, or again as the document says.")] = (
        "now"
    )


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

    type: Annotated[str, Field(description="about:blank, or what kind of problem it is.")]
    title: Annotated[str, Field(description="A short name of the problem.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What is wrong here, and what to do.")]


class OnsaleSummary(Document):
    """One line of the list of onsales; null where the room has not reached its store yet."""

    name: str
    phase: Annotated[str | None, Field(description="prequeue, open, held or closed.")]
    stale: Annotated[bool, Field(description="True while the store cannot be reached.")]
    waiting: Annotated[int | None, Field(description="Buyers in line.")]
    released: Annotated[int | None, Field(description="Places whose turn has come, in all.")]
    sessions: Annotated[int | None, Field(description="Buyers in the shop.")]
    rate_per_s: Annotated[float | None, Field(description="Buyers/s that may be let in now.")]
    rate_reason: Annotated[str | None, Field(description="What that rate rests on.")]
    hold: Annotated[str | None, Field(description="Why nobody is let in; empty: no hold.")]


class OnsaleList(Document):
    """All onsales which the token may see."""

    onsales: list[OnsaleSummary]


class OnsaleDetail(Document):
    """Everything known of one onsale: its counters, what operators have set, and the document."""

    name: str
    phase: Annotated[str | None, Field(description="prequeue, open, held or closed.")]
    stale: Annotated[bool, Field(description="True while the store cannot be reached.")]
    snapshot: Annotated[dict[str, Any] | None, Field(description="The counters as this process knows them.")]
    overrides: Annotated[dict[str, str], Field(description="What operators have set, by field.")]
    document: Annotated[dict[str, Any], Field(description="The onsale's document.")]


class Change(Document):
    """A change that was made; `before` and `after` hold the fields of the store which it touched."""

    at: Annotated[float, Field(description="When, in the store's Unix seconds.")]
    who: Annotated[str, Field(description="The token's name.")]
    what: Annotated[str, Field(description="The action.")]
    onsale: str
    request_id: Annotated[str, Field(description="As in X-Request-Id and the log.")]
    before: Annotated[dict[str, str], Field(description="What was there.")]
    after: Annotated[dict[str, str], Field(description="What is there now.")]


class AuditLog(Document):
    """The last changes, newest first."""

    entries: list[Change]


class SessionEnded(Document):
    """`was_live` is false for a session that was over already, or that the store doesn't know."""

    onsale: str
    session: str
    was_live: Annotated[bool, Field(description="Whether the session was known and live.")]


class Check(Document):
    """One check before an onsale."""

    name: Annotated[str, Field(description="What was looked at.")]
    result: Literal["pass", "warn", "fail"]
    detail: Annotated[str, Field(description="What was found, and what to do about it.")]


class Preflight(Document):
    """All checks; `result` is the worst of them."""

    onsale: str
    result: Annotated[Literal["pass", "warn", "fail"], Field(description="The worst of all checks.")]
    checks: list[Check]
