"""What a backtest came to, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from rulebook.observation import Crowd, Reading, Value
from rulebook.simulation import Backtest, Contender, Course, Service
from tidegate.rules_scores import describe_service, score_table

ROWS: Final = 24
CHANGES_SHOWN: Final = 12


def as_json(result: Backtest) -> dict[str, object]:
    """Give everything a machine may want to know of a backtest; gaps are null."""
    recorded = result.recorded
    return {
        "rule": result.rule.name,
        "target": str(result.rule.spec.target),
        "from": _iso(recorded.start_s),
        "to": _iso(recorded.at_s(recorded.moments - 1)),
        "step_s": recorded.step_s,
        "moments": recorded.moments,
        "signals": {
            name: {"missing": result.missing[name], "values": [_number(reading) for reading in readings]}
            for name, readings in recorded.readings.items()
        },
        "demand": list(result.needed),
        "replicas": {course.name: list(course.replicas) for course in result.courses},
        "changes": [{**asdict(change), "at": _iso(change.at_s)} for change in result.changes],
        "scores": {course.name: {"about": course.about, **_scores(course)} for course in result.courses},
        "notes": list(result.notes),
    }


def show(result: Backtest) -> None:
    """Print a backtest for people."""
    recorded = result.recorded
    last_s = recorded.at_s(recorded.moments - 1)
    print(
        f"rule {result.rule.name} for {result.rule.spec.target}, {_iso(recorded.start_s)} to {_iso(last_s)}: "
        f"{recorded.moments} decisions, {recorded.step_s:g} s apart"
    )
    for name, missing in result.missing.items():
        print(f"signal {name}: recorded at {recorded.moments - missing} of {recorded.moments} moments")
    console = Console()
    console.print(_score_table(result))
    console.print(_course_table(result))
    _show_changes(result)
    for course in result.courses:
        print(f"{course.name}: {course.about}")
    if not any(course.name == "was" for course in result.courses):
        print(
            "note: the replicas there were are not recorded: give --replicas-query to see them beside the rule"
        )
    for note in result.notes:
        print(f"note: {note}")


def model_json(signal: str, service: Service, contenders: Sequence[Contender]) -> dict[str, object]:
    """Give what the model of the service makes of each course."""
    return {
        "requests": signal,
        "service": asdict(service),
        "scores": {contender.name: asdict(contender.scores) for contender in contenders},
    }


def show_model(signal: str, service: Service, contenders: Sequence[Contender]) -> None:
    """Print what the model of the service makes of each course."""
    print(
        f"the model, given the requests that {signal} recorded; its demand is the fewest replicas within the objective"
    )
    print(describe_service(service))
    Console().print(score_table(contenders))


def _show_changes(result: Backtest) -> None:
    changes = result.changes
    shown = changes[:CHANGES_SHOWN]
    print(f"{len(changes)} changes" + (f", the first {len(shown)}:" if len(changes) > len(shown) else ":"))
    for change in shown:
        print(f"  {_iso(change.at_s)} {change.reason}")


def _score_table(result: Backtest) -> Table:
    table = Table()
    table.add_column("")
    for course in result.courses:
        table.add_column(course.name, justify="right")
    forms = {
        "replica_hours": ("replica-hours", ".1f"),
        "mean_replicas": ("mean replicas", ".2f"),
        "peak_replicas": ("peak replicas", "d"),
        "changes": ("changes", "d"),
        "theta_u_percent": ("theta_U (missing), %", ".3f"),
        "theta_o_percent": ("theta_O (too much), %", ".2f"),
        "tau_u_percent": ("tau_U (time missing), %", ".3f"),
        "tau_o_percent": ("tau_O (time too much), %", ".2f"),
        "instability_percent": ("instability, %", ".2f"),
        "elastic_speedup": ("elastic speedup", ".2f"),
    }
    scores = [_scores(course) for course in result.courses]
    for field, (title, form) in forms.items():
        table.add_row(title, *(format(each[field], form) for each in scores))
    return table


def _course_table(result: Backtest) -> Table:
    """Show the course in a few rows, each with the highest of its stretch: a peak must not fall between two rows."""
    recorded = result.recorded
    courses = [course for course in result.courses if course.name != "baseline"]
    table = Table()
    for title in ("from (UTC)", "demand", *(course.name for course in courses)):
        table.add_column(title, justify="right")
    stride = -(-recorded.moments // ROWS)
    for first in range(0, recorded.moments, stride):
        stretch = slice(first, first + stride)
        cells = [max(result.needed[stretch]), *(max(course.replicas[stretch]) for course in courses)]
        at = datetime.fromtimestamp(recorded.at_s(first), UTC).strftime("%m-%d %H:%M:%S")
        table.add_row(at, *(str(cell) for cell in cells))
    return table


def _scores(course: Course) -> dict[str, float | int]:
    return {
        "replica_hours": course.replica_hours,
        "mean_replicas": course.mean_replicas,
        "peak_replicas": course.peak_replicas,
        "changes": course.changes,
        **asdict(course.elasticity),
        "elastic_speedup": course.elastic_speedup,
    }


def _number(reading: Reading) -> float | dict[str, float] | None:
    if isinstance(reading, Value):
        return reading.value
    if isinstance(reading, Crowd):
        return {"backlog": reading.backlog, "arrivals_per_s": reading.arrivals_per_s}
    return None


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
