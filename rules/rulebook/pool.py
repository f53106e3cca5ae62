"""The `ProcessPool` document: replicas as processes on one host, for targets of kind ProcessPool."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rulebook.document import Document, Named, ProblemList, Some, UrlPath
from rulebook.units import Duration

PORT = "{port}"
PYTHON = "{python}"


class Ports(Document):
    """The ports to be given out, both ends included: one replica, one port."""

    first: int = Field(alias="from", strict=True, ge=1, le=65535)
    last: int = Field(alias="to", strict=True, ge=1, le=65535)

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if self.first > self.last:
            problems.add("must not be above to", "from")
        problems.raise_any()
        return self

    @property
    def count(self) -> int:
        """How many replicas there can be."""
        return self.last - self.first + 1


class ReadyCheck(Document):
    """When a replica counts as ready: its `path` answers 200 within `timeout_s`."""

    path: UrlPath = "/readyz"
    every_s: Duration = Field(default=0.2, alias="every", gt=0)
    timeout_s: Duration = Field(default=1.0, alias="timeout", gt=0)


class ProcessPoolSpec(Document):
    """How to start, check and stop a replica."""

    command: Annotated[tuple[str, ...], Some] = Field(max_length=256)
    ports: Ports
    host: str = "127.0.0.1"
    ready: ReadyCheck = Field(default_factory=ReadyCheck)
    grace_s: Duration = Field(default=10.0, alias="grace")
    endpoints: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if not self.command[0].strip():
            problems.add("must name a program", "command", 0)
        if not any(PORT in argument for argument in self.command):
            problems.add(f"must hold the placeholder {PORT}: replicas differ by nothing else", "command")
        if any("\x00" in argument for argument in self.command):
            problems.add("must not hold a NUL character", "command")
        if self.endpoints is not None and (not self.endpoints.strip() or "\x00" in self.endpoints):
            problems.add("must name a file", "endpoints")
        problems.raise_any()
        return self

    def command_line(self, port: int, python: str) -> tuple[str, ...]:
        """Fill the placeholders `{port}` and `{python}` (the interpreter we run in); other braces are left alone."""
        return tuple(argument.replace(PORT, str(port)).replace(PYTHON, python) for argument in self.command)


class ProcessPool(Named):
    """Replicas as processes on one host."""

    kind: Literal["ProcessPool"] = "ProcessPool"
    spec: ProcessPoolSpec
