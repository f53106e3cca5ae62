"""`tidegate rules ...`: the tools with which ops trust a rule before it runs. Reads options, prints, and decides nothing.

Exit status: 0 fine, 1 findings or failed tests, 2 a mistake in the command or in the documents.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rulebook import DocumentErrors, Documents, Problem, RuleTest, UnitError, load_documents
from rulebook.explain import explain, explain_json
from rulebook.lint import lint
from rulebook.schema import SCHEMAS, schema_text, stale_schemas, write_schemas
from rulebook.testreport import Reported, report_json, report_junit, report_text
from rulebook.testrun import run_test
from rulebook.trial import TrialError, TrialInput, pick_rule, try_rule
from rulebook.units import parse_duration
from tidegate.cli_options import MISTAKE, refuse
from tidegate.rules_backtest import backtest
from tidegate.rules_convert import convert
from tidegate.rules_live import read_live
from tidegate.rules_simulate import simulate

rules_app = typer.Typer(help="Check, explain and test rules before they run.", no_args_is_help=True)

rules_app.command("simulate")(simulate)
rules_app.command("backtest")(backtest)
rules_app.command("convert")(convert)

FINDINGS = 1

Paths = Annotated[
    list[Path], typer.Argument(help="Files and folders of documents.", show_default=False, metavar="PATH...")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@rules_app.command("lint")
def rules_lint(
    paths: Paths,
    start_up: Annotated[
        str, typer.Option("--startup", help="How long a replica takes from being ordered to being ready.")
    ] = "30s",
    as_json: Json = False,
) -> None:
    """Say what is wrong with documents, and what is right but probably not meant."""
    try:
        start_up_s = parse_duration(start_up)
    except UnitError as error:
        raise typer.BadParameter(str(error), param_hint="--startup") from error
    documents = _load(paths, as_json=as_json)
    findings = lint(documents, time.time(), start_up_s)
    if as_json:
        _print_json({"findings": [{"code": one.code, **_problem_json(one.problem)} for one in findings]})
    else:
        for finding in findings:
            print(finding)
        print(f"{_count(len(documents.loaded), 'document')}, {_count(len(findings), 'finding')}")
    raise typer.Exit(FINDINGS if findings else 0)


@rules_app.command("test")
def rules_test(
    paths: Paths,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML to this file.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Run this RuleTest only; repeatable.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the RuleTest documents among others, and say where a rule decides otherwise than expected."""
    documents = _load(paths, as_json=as_json)
    unknown = sorted(set(only or ()) - documents.tests.keys())
    if unknown:
        refuse(f"there is no RuleTest {', '.join(unknown)}")
    if not documents.tests:
        refuse(f"there is no RuleTest in {', '.join(map(str, paths))}")
    reported = [_report(documents, name) for name in documents.tests if not only or name in only]
    if junit is not None:
        try:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(report_junit(reported), encoding="utf-8")
        except OSError as error:
            refuse(f"cannot write {junit}: {error.strerror}")
    if as_json:
        _print_json({"tests": report_json(reported)})
    else:
        print(report_text(reported))
    raise typer.Exit(0 if all(entry.result.passed for entry in reported) else FINDINGS)


@rules_app.command("explain")
def rules_explain(
    paths: Paths,
    rule: Annotated[
        str | None,
        typer.Option("--rule", help="The rule's name, where there are several.", show_default=False),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--value",
            help="What a signal reads: requests=400, latency=450ms, jobs=missing, jobs=failed.",
        ),
    ] = None,
    crowds: Annotated[
        list[str] | None,
        typer.Option("--crowd", help="What a crowd signal reads: crowd=BACKLOG[,ARRIVALS/s[,SESSIONS]]."),
    ] = None,
    current: Annotated[int, typer.Option("--current", min=0, help="Replicas there are now.")] = 1,
    ready: Annotated[
        int | None,
        typer.Option(
            "--ready", min=0, help="Replicas that are ready; all, if not given.", show_default=False
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="The time, such as 2026-12-05T09:55:00+01:00; now, if not given."),
    ] = None,
    live: Annotated[
        str | None,
        typer.Option(
            "--live",
            help="Take readings and counts from the scaler that listens here, such as http://127.0.0.1:9190.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show step by step what a rule would decide, given what its signals read."""
    documents = _load(paths, as_json=as_json)
    given = TrialInput(tuple(values or ()), tuple(crowds or ()), current, ready, at)
    try:
        if live is not None:
            if values or crowds:
                refuse("give either --live or --value and --crowd")
            given = read_live(live, pick_rule(documents, rule).name, at)
        decision = try_rule(documents, rule, given, time.time())
    except TrialError as error:
        refuse(str(error))
    if as_json:
        _print_json(explain_json(decision))
    else:
        print(explain(decision))


@rules_app.command("schema")
def rules_schema(
    kind: Annotated[
        str | None, typer.Argument(help="Print the schema of this kind only.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write all schemas to this folder.", show_default=False)
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Only say whether this folder's are up to date.", show_default=False),
    ] = None,
) -> None:
    """Print or write the JSON Schemas of the documents, for editors."""
    if check is not None:
        if not check.is_dir():
            refuse(f"--check {check}: there is no such folder")
        stale = stale_schemas(check)
        for name in stale:
            print(f"{check / name} is not up to date")
        raise typer.Exit(FINDINGS if stale else 0)
    if output is not None:
        try:
            names = write_schemas(output)
        except OSError as error:
            refuse(f"cannot write to {output}: {error.strerror}")
        print(f"{_count(len(names), 'schema')} in {output}")
        return
    by_kind = {schema.kind: name for name, schema in SCHEMAS.items()}
    if kind is not None and kind not in by_kind:
        refuse(f"there is no kind {kind}; there are {', '.join(sorted(by_kind))}")
    print(schema_text(by_kind[kind] if kind is not None else "tidegate.json"), end="")


def _report(documents: Documents, name: str) -> Reported:
    test = documents.tests[name]
    loaded = next(
        one for one in documents.loaded if isinstance(one.document, RuleTest) and one.document.name == name
    )
    places = tuple(loaded.place(("spec", "expect", index)) for index in range(len(test.spec.expect)))
    return Reported(run_test(test, documents.rules[test.spec.rule]), loaded.file, places)


def _load(paths: list[Path], *, as_json: bool) -> Documents:
    with _broken_documents(as_json=as_json):
        return load_documents(paths)


@contextmanager
def _broken_documents(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except DocumentErrors as error:
        if as_json:
            _print_json({"problems": [_problem_json(problem) for problem in error.problems]})
        else:
            print(error, file=sys.stderr)
        raise typer.Exit(MISTAKE) from None


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "found": problem.found,
        "suggestion": problem.suggestion,
    }


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
