"""What the pages show to be copied is right: documents load, commands and flags exist, JSON parses, Python compiles."""

from __future__ import annotations

import ast
import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from rulebook import DocumentErrors, load_text
from rulebook.document import API_VERSION
from tests.system.pages import PAGES, Block, blocks, named
from tidegate.cli import app

COMMAND = re.compile(r"(?:^\s*|[;&|(]\s*|\bdo |\.venv/bin/|-m )(tidegate(?: [^\n;&|#)<>]*)?)", re.MULTILINE)
NO_COMMANDS = {"tidegate draw v1", "tidegate draw v1 with beacon"}
"""Names of algorithms."""


def documents() -> list[Block]:
    """Return the YAML blocks which hold documents of ours."""
    return [block for block in blocks("yaml") if f"apiVersion: {API_VERSION}" in block.text]


def test_there_are_blocks_of_each_kind() -> None:
    assert len(documents()) > 8
    assert len(list(commands())) > 60
    assert blocks("json")
    assert len(blocks("python")) > 3


@pytest.mark.parametrize("block", documents(), ids=lambda block: block.name)
def test_documents_load(block: Block) -> None:
    try:
        load_text(block.text, block.name)
    except DocumentErrors as error:
        # A page may show a test or a rule without the document which it speaks of: another block has that one.
        alone = re.compile(r"there is no (ScalingRule|ProcessPool|Onsale) \S+|has no ProcessPool")
        wrong = [str(problem) for problem in error.problems if not alone.search(problem.message)]
        assert wrong == []


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.name)
def test_yaml_is_yaml(block: Block) -> None:
    list(YAML(typ="safe", pure=True).load_all(block.text))


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.name)
def test_json_parses(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.name)
def test_python_compiles(block: Block) -> None:
    ast.parse(block.text)


def _lines(text: str) -> str:
    """Join continued lines, and drop comments that stand on a line of their own."""
    joined = re.sub(r"\\\n\s*", " ", textwrap.dedent(text))
    return "\n".join(line for line in joined.splitlines() if not line.lstrip().startswith("#"))


def commands() -> Iterator[tuple[str, str]]:
    """Yield each `tidegate ...` of the pages, and where it stands: in blocks, and in code within the text."""
    for block in blocks("sh", "bash", "shell", "console", ""):
        for found in COMMAND.finditer(_lines(block.text)):
            yield block.name, found[1]
    for page in PAGES:
        text = re.sub(
            r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for code in re.findall(r"`(tidegate [^`\n]+)`", text):
            if code not in NO_COMMANDS:
                yield named(page), code


@pytest.mark.parametrize(("where", "command"), sorted(set(commands())))
def test_commands_and_flags_exist(where: str, command: str) -> None:
    check(shlex.split(command, comments=True)[1:])


def test_what_does_not_exist_is_found() -> None:
    check(["queue", "serve", "--onsales", "x", "..."])
    for wrong in (["queue", "server"], ["queue", "serve", "--onsale", "x"], ["onsale", "hold", "NAME"]):
        with pytest.raises(AssertionError):
            check(wrong)


def check(words: list[str]) -> None:
    """Walk down the commands as far as the words go; every flag must belong to the command or one above it."""
    command: Any = whole_command()
    flags = flags_of(command)
    while words and not words[0].startswith("-") and getattr(command, "commands", None):
        word = words.pop(0)
        if word == "..." or word.startswith("[") or word.isupper():
            return
        unknown = [name for name in word.split("|") if name not in command.commands]
        assert unknown == [], f"among {sorted(command.commands)} there is no {unknown}"
        command = command.commands[word.split("|")[0]]
        flags |= flags_of(command)
    for word in words:
        flag = word.partition("=")[0]
        if flag.startswith("--") and len(flag) > 2:
            assert flag in flags, f"{flag} is none of {sorted(flags)}"


@cache
def whole_command() -> Any:
    return typer.main.get_command(app)


def flags_of(command: Any) -> set[str]:
    return {"--help"} | {opt for each in command.params for opt in (*each.opts, *each.secondary_opts)}
