"""The `Onsale` document: one sale with its waiting room. It knows what may be written, not what the room does with it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, field_validator, model_validator

from rulebook.document import Document, Named, PositiveCount, ProblemList, Some, UrlPath
from rulebook.units import Duration, Rate

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def check_http_url(value: str) -> str:
    """Accept an absolute http or https URL without user, password or blanks.

    Raises:
        ValueError: anything else.
    """
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    printable = value.isprintable() and not any(character in value for character in " \\\"'<>")
    if parts.scheme not in {"http", "https"} or not host or not printable or parts.username is not None:
        raise ValueError("must be an absolute http:// or https:// address")
    return value


def _check_method(value: str) -> str:
    if value not in METHODS:
        raise ValueError("must be an HTTP method in capitals")
    return value


def _check_host(value: str) -> str:
    if not value or value != value.lower() or any(character in value for character in "/: \t@"):
        raise ValueError("must be a host name in lower case, without scheme and port")
    return value


def _check_line(value: str) -> str:
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError("must be one line of printable ASCII, without blanks at its ends")
    return value


def _check_keys_url(value: str) -> str:
    parts = urlsplit(check_http_url(value))
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError(
            "must be an https:// address: whoever can change the keys on their way can let anybody in"
        )
    return value


def _check_text(value: str) -> str:
    if not value or not value.isprintable() or value != value.strip():
        raise ValueError("must be text without blanks at its ends")
    return value


HttpUrl = Annotated[str, AfterValidator(check_http_url)]
KeysUrl = Annotated[str, AfterValidator(_check_keys_url)]
Text = Annotated[str, AfterValidator(_check_text)]
Host = Annotated[str, AfterValidator(_check_host)]


class Protect(Document):
    """What the gate guards: a path and all below it, on one host or on any."""

    host: Host | None = None
    path: UrlPath = "/"


class Bypass(Document):
    """What the gate lets through unseen; no `methods` means any."""

    path: UrlPath
    methods: tuple[Annotated[str, AfterValidator(_check_method)], ...] | None = None


class EntryToken(Document):
    """Whose tokens let buyers into the line: JWTs signed by one of the keys at `jwks` or in `keys_file`.

    `audience` is what a token must be meant for; the onsale's name, if left out.
    """

    jwks: KeysUrl | None = None
    keys_file: Text | None = None
    issuer: Text
    audience: Text | None = None
    algorithms: Annotated[tuple[Literal["EdDSA", "ES256", "RS256"], ...], Some] = ("EdDSA", "ES256", "RS256")

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if (self.jwks is None) == (self.keys_file is None):
            problems.add("needs either jwks (an address) or keysFile")
        problems.raise_any()
        return self


class AdmissionLimits(Document):
    """The ceilings of admission: what a rule asks for is never exceeded beyond these."""

    rate_per_s: Rate = Field(alias="rate", gt=0)
    burst: PositiveCount = 1
    capacity: PositiveCount | None = None
    claim_within_s: Duration = Field(default=120.0, alias="claimWithin", gt=0)
    fallback_rate_per_s: Rate | None = Field(default=None, alias="fallbackRate", ge=0)


class SessionLimits(Document):
    """How long an admitted buyer may stay: `length_s` since the last request, `max_s` in all."""

    length_s: Duration = Field(default=600.0, alias="length", gt=0)
    max_s: Duration = Field(default=1800.0, alias="max", gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if self.length_s > self.max_s:
            problems.add("must not be longer than max", "length")
        problems.raise_any()
        return self


class DrawTerms(Document):
    """What is announced of a draw: a public source whose value nobody can know beforehand, and which is mixed with the seed."""

    beacon: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_check_line)]


class OnsaleSpec(Document):
    """One sale: when it opens, in which order buyers come in, how many, and to where."""

    title: dict[str, str] = Field(default_factory=dict)
    shop: HttpUrl
    opens: AwareDatetime | None = None
    prequeue: AwareDatetime | None = None
    closes: AwareDatetime | None = None
    order: Literal["draw", "fifo"] = "fifo"
    draw: DrawTerms | None = None
    protect: tuple[Protect, ...] = ()
    bypass: tuple[Bypass, ...] = ()
    outside: Literal["allow", "deny"] = "allow"
    entry_token: EntryToken | None = None
    entry: Literal["open", "token"] = Field(default="open", validate_default=True)
    admission: AdmissionLimits
    session: SessionLimits = Field(default_factory=SessionLimits)

    # One field at a time rather than all at the end: these speak up even where another field is wrong.
    @field_validator("prequeue")
    @classmethod
    def _check_prequeue(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        opens = info.data.get("opens")
        if value is not None and "opens" in info.data and opens is None:
            raise ValueError("needs opens: a pre-queue leads to an opening")
        if value is not None and opens is not None and value > opens:
            raise ValueError("must not be later than opens")
        return value

    @field_validator("closes")
    @classmethod
    def _check_closes(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        opens = info.data.get("opens")
        if value is not None and opens is not None and value <= opens:
            raise ValueError("must be later than opens")
        return value

    @field_validator("order")
    @classmethod
    def _check_order(cls, value: str, info: ValidationInfo) -> str:
        if value == "draw" and "opens" in info.data and info.data["opens"] is None:
            raise ValueError("draw needs opens: the draw takes place at the opening")
        return value

    @field_validator("draw")
    @classmethod
    def _check_draw(cls, value: DrawTerms | None, info: ValidationInfo) -> DrawTerms | None:
        if value is not None and info.data.get("order", "draw") != "draw":
            raise ValueError("needs order: draw; a line in the order of arrival draws nothing")
        return value

    @field_validator("entry")
    @classmethod
    def _check_entry(cls, value: str, info: ValidationInfo) -> str:
        if "entry_token" in info.data and (info.data["entry_token"] is not None) != (value == "token"):
            if value == "token":
                raise ValueError("token needs entryToken: the shop's keys (jwks or keysFile) and its issuer")
            raise ValueError("must be token where entryToken is given: as it stands, anybody may join")
        return value

    @field_validator("protect")
    @classmethod
    def _check_protect(cls, value: tuple[Protect, ...]) -> tuple[Protect, ...]:
        for index, guarded in enumerate(value):
            if guarded in value[:index]:
                raise ValueError(f"{guarded.host or '*'}{guarded.path} is listed twice")
        return value


class Onsale(Named):
    """One sale with its waiting room."""

    kind: Literal["Onsale"] = "Onsale"
    spec: OnsaleSpec
