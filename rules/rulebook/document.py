"""What all documents share: frozen models in camelCase, their metadata, and how a model reports several problems at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

API_VERSION: Final = "tidegate.dev/v1"
SomeT = TypeVar("SomeT")

PROBLEMS: Final = "document_problems"
"""Type of the validation error that carries several problems, each with the path of its own field."""

_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


class Document(BaseModel):
    """The base of every model: frozen, camelCase in documents, and no unknown field."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        str_max_length=16_384,
    )


FieldProblem: TypeAlias = tuple[tuple[str | int, ...], str]
"""A path, names as in the document, and what is wrong there."""


class ProblemList:
    """Collect what is wrong with one model, then raise it in one go."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self._problems: list[FieldProblem] = []

    def add(self, message: str, *path: str | int) -> None:
        """Note a problem at `path`, names as in the document, below the model."""
        self._problems.append((path, message))

    def extend(self, problems: Iterable[FieldProblem]) -> None:
        """Note several problems."""
        self._problems += problems

    def raise_any(self) -> None:
        """Raise what was noted, as one validation error that `loading` takes apart again."""
        if self._problems:
            message = "; ".join(text for _, text in self._problems).replace("{", "{{").replace("}", "}}")
            context: dict[str, Any] = {"problems": list(self._problems)}
            raise PydanticCustomError(PROBLEMS, message, context)


def _check_name(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("must be a DNS label: at most 63 of a-z, 0-9 and '-', neither first nor last a '-'")
    return value


def _check_path(value: str) -> str:
    if not value.startswith("/") or any(character in value for character in "?#\\ \t\r\n\x00"):
        raise ValueError("must be a path that begins with '/', without query")
    return value


def _check_some(value: SomeT) -> SomeT:
    if isinstance(value, tuple) and not value:
        raise ValueError("must hold at least one")
    return value


Some = AfterValidator(_check_some)
"""At least one item. Pydantic's own `min_length` complains about lists whose items are merely wrong."""
DnsLabel = Annotated[
    str,
    AfterValidator(_check_name),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}),
]
UrlPath = Annotated[str, AfterValidator(_check_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
PositiveCount = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class Metadata(Document):
    """Who a document is; labels and annotations are the writer's own and mean nothing here."""

    name: DnsLabel
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Named(Document):
    """A whole document."""

    api_version: Literal["tidegate.dev/v1"] = "tidegate.dev/v1"
    kind: str
    metadata: Metadata

    @property
    def name(self) -> str:
        """The document's name."""
        return self.metadata.name

    @classmethod
    def hidden_problems(cls, raw: Mapping[str, Any]) -> list[FieldProblem]:
        """List what a failed validation leaves unsaid, because it never came to compare fields with each other."""
        del raw
        return []
