"""The page of commands, flags and variables: what the command line declares, put into tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import typer
import typer.main

from tidegate.cli import app
from tidegate.reference.markdown import anchor, code, table

_HEAD: Final = """\
# Commands, flags and variables

Made by `make docs` from what the command line declares; a test holds that it is up to date.

A flag that has a variable can be given by either; the flag counts if both are there. Secrets belong into variables or files, \
since flags show in `ps`. `--help` after any command says the same as this page.
"""
_STATUSES: Final = """
## Exit statuses

| status | meaning |
| --- | --- |
| 0 | done |
| 1 | what was asked for was done, and the answer is no: findings, a failed test, a check that failed, a refusal by the room |
| 2 | a mistake in the command, its options or the documents; one line on standard error says what, where and what to do |
| 3 | the room or the scaler that was to be asked does not answer |
| 130 | interrupted |

A service that is told to end (SIGTERM, SIGINT) finishes what is under way; SIGHUP has it read its documents again at once.
"""
MORE_VARIABLES: Final[Mapping[str, str]] = {
    "TIDEGATE_ADMIN_TOKEN": "The bearer token of `tidegate onsale`, as `--admin-token`, which would show in `ps`.",
    "TIDEGATE_HEALTH_PORT": "In the container image: the port which its health check asks; 8080 if not set.",
}
"""Variables which no flag declares."""
_TYPES: Final[Mapping[object, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command by its full name, and what it takes."""

    name: str
    help: str
    parameters: tuple[Any, ...]
    group: bool


def commands() -> Iterator[Command]:
    """Yield all commands, and the groups which have options of their own, in the order of the command line."""
    yield from _walk("tidegate", typer.main.get_command(app))


def commands_page() -> str:
    """Return the page."""
    everything = list(commands())
    listed = [
        (f"[{code(command.name)}](#{anchor(command.name)})", command.help.split("\n", 1)[0])
        for command in everything
        if not command.group
    ]
    parts = [_HEAD, "\n## All commands\n\n", table(("command", "what it does"), listed), _STATUSES]
    parts += [_section(command) for command in everything]
    parts += ["\n## All variables\n\n", table(("variable", "same as", "of"), _variables(everything))]
    return "".join(parts)


def _walk(name: str, command: Any) -> Iterator[Command]:
    below: Mapping[str, Any] = getattr(command, "commands", {})
    own = tuple(each for each in command.params if not each.hidden and "--help" not in each.opts)
    if own or not below:
        yield Command(name, inspect.cleandoc(command.help or ""), own, bool(below))
    for part, each in below.items():
        yield from _walk(f"{name} {part}", each)


def _section(command: Command) -> str:
    arguments = [each for each in command.parameters if each.param_type_name == "argument"]
    options = [each for each in command.parameters if each.param_type_name == "option"]
    usage = [command.name, *(_usage(each) for each in arguments)]
    if options:
        usage.append("[options]")
    if command.group:
        usage.append("COMMAND ...")
    parts = [f"\n## {command.name}\n\n{command.help}\n\n```\n{' '.join(usage)}\n```\n"]
    if arguments:
        rows = [(code(_shown_name(each)), _kind(each), each.help or "") for each in arguments]
        parts.append("\n" + table(("argument", "type", "meaning"), rows))
    if options:
        flags = [(_flags(each), _kind(each), _default(each), _meaning(each)) for each in options]
        parts.append("\n" + table(("flag", "type", "default", "meaning"), flags))
    return "".join(parts)


def _usage(argument: Any) -> str:
    name = _shown_name(argument)
    return name if argument.required else f"[{name}]"


def _shown_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _flags(option: Any) -> str:
    flags = ", ".join(map(code, (*option.opts, *option.secondary_opts)))
    return f"{flags}<br>{code(option.envvar)}" if option.envvar else flags


def _kind(parameter: Any) -> str:
    annotation = _plain(parameter.type_descriptor.annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        kind = ", ".join(code(each.value) for each in annotation)
    else:
        kind = _TYPES.get(annotation, "file or folder")
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", parameter.min), ("at most", parameter.max))
        if bound is not None
    ]
    several = ["repeatable"] if parameter.multiple or parameter.nargs == -1 else []
    return ", ".join(part for part in (kind, *bounds, *several) if part)


def _plain(annotation: Any) -> Any:
    """Take `list[...]` and `... | None` off."""
    while get_origin(annotation) is not None:
        inner = [each for each in get_args(annotation) if each is not type(None)]
        if get_origin(annotation) not in {list, Union, UnionType} or not inner:
            break
        annotation = inner[0]
    return annotation


def _default(option: Any) -> str:
    if option.required:
        return "**required**"
    default = option.default
    if default is None or default is False or default in ((), []):
        return ""
    if isinstance(default, Enum):
        return code(default.value)
    return code(f"{default:g}" if isinstance(default, float) else default)


def _meaning(option: Any) -> str:
    text = str(option.help or "")
    return text.removesuffix("; repeatable.") + "." if text.endswith("; repeatable.") else text


def _variables(everything: list[Command]) -> Iterator[tuple[str, str, str]]:
    found: dict[str, tuple[str, list[str]]] = {}
    for command in everything:
        for option in command.parameters:
            if option.envvar:
                found.setdefault(option.envvar, (option.opts[0], []))[1].append(command.name)
    rows = [
        (code(variable), code(flag), ", ".join(code(name) for name in names))
        for variable, (flag, names) in found.items()
    ]
    rows += [(code(variable), "", meaning) for variable, meaning in MORE_VARIABLES.items()]
    yield from sorted(rows)
