"""What the pages on Prometheus show works: their rules load, and their commands know the flags."""

import re
from pathlib import Path

import pytest
import typer.main

from rulebook import load_text
from tidegate.cli import app

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = [HOW_TO / "prometheus.md", HOW_TO / "backtest.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_the_rules_load() -> None:
    names = [list(load_text(text, str(page)).rules) for page in PAGES for text in blocks(page, "yaml")]
    assert names == [["web"], ["checkout"]]


def flags_of(words: list[str]) -> set[str]:
    """Return the flags of a command named by its words, such as `rules backtest`."""
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]
    return {flag for parameter in command.params for flag in parameter.opts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_know_the_flags_that_are_shown(page: Path) -> None:
    lines = [line for text in blocks(page, "sh") for line in text.replace("\\\n", " ").splitlines()]
    assert lines
    for line in lines:
        program, group, command, *rest = line.split()
        assert program == "tidegate"
        unknown = {word for word in rest if word.startswith("--")} - flags_of([group, command])
        assert not unknown, line


def test_every_flag_of_the_access_is_in_the_table() -> None:
    shown = set(re.findall(r"--prometheus[a-z-]*", (HOW_TO / "prometheus.md").read_text()))
    known = {flag for flag in flags_of(["scaler", "run"]) if flag.startswith("--prometheus")}
    assert known <= shown
