"""`tidegate rules convert`: rules on standard output, what was lost on standard error, one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from rulebook.loading import load_text
from tests.rulebook import convert_documents as documents
from tidegate.rules_convert import convert

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(convert)


def run(*arguments: str, text: str | None = None) -> tuple[int, str, str]:
    """Run the command; gives its status, output and errors."""
    result = CliRunner().invoke(app, list(arguments), input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_several_documents_come_out_as_one_file_of_rules(tmp_path: Path) -> None:
    file = tmp_path / "in.yaml"
    file.write_text("---\n".join([documents.WEB_HPA, documents.WORKER_OBJECT]), "utf-8")
    status, out, errors = run(str(file))
    assert status == 0
    assert set(load_text(out).rules) == {"web", "worker"}
    assert "HorizontalPodAutoscaler web: " in errors
    assert "remarks in the comments above it" in errors


def test_standard_input_will_do() -> None:
    status, out, _ = run("-", text=documents.BARE_HPA)
    assert status == 0
    assert "Converted from HorizontalPodAutoscaler bare (<stdin>)" in out


def test_an_output_file_is_never_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "rule.yaml"
    status, out, _ = run("-", "--output", str(target), text=documents.BARE_HPA)
    assert (status, out) == (0, "")
    assert "bare" in load_text(target.read_text("utf-8")).rules
    status, _, errors = run("-", "--output", str(target), text=documents.BARE_HPA)
    assert status == 2
    assert errors.count("\n") == 1


def test_mistakes_are_lines_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "in.yaml"
    file.write_text(documents.BARE_HPA.replace("maxReplicas: 5", "maxReplicas: x"), "utf-8")
    status, out, errors = run(str(file))
    assert (status, out) == (2, "")
    assert errors == f"tidegate: {file}:6:16: spec.maxReplicas: must be a whole number, found 'x'\n"
    for name in ("none.yaml", ""):
        status, _, errors = run(str(tmp_path / name))
        assert (status, errors.count("\n")) == (2, 1)
