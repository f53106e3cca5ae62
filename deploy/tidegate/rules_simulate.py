"""`tidegate rules simulate`: its options, and the files it reads. What it prints stands in `rules_scores`."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

import typer

from tidegate.cli_options import refuse
from tidegate.rules_arguments import pick_rule, read_duration, read_time

if TYPE_CHECKING:
    from rulebook.simulation import Comparison, Meaning

MAX_TRACE_BYTES: Final = 64 * 1024 * 1024


def simulate(
    rule: Annotated[Path, typer.Argument(help="File with a ScalingRule.")],
    trace: Annotated[
        Path, typer.Option("--trace", help="CSV: minute,requests_per_second or second,requests_per_second.")
    ],
    service_rate: Annotated[
        float, typer.Option("--service-rate", help="Requests/s that one replica serves at most.")
    ],
    startup: Annotated[
        str, typer.Option("--startup", help="From ordering a replica until it is ready.")
    ] = "30s",
    scale: Annotated[float, typer.Option("--scale", help="Multiply the trace's rates by this.")] = 1.0,
    against: Annotated[
        str | None, typer.Option("--against", help="hpa: run the HPA algorithm on the same trace.")
    ] = None,
    hpa_metric: Annotated[
        str, typer.Option("--hpa-metric", help="What drives the HPA: requests, or utilization (like CPU).")
    ] = "requests",
    hpa_target: Annotated[
        float | None,
        typer.Option(
            "--hpa-target",
            help="The HPA's target: requests/s a replica (default: the rule's own), or utilization (0.7).",
        ),
    ] = None,
    meanings: Annotated[
        list[str] | None,
        typer.Option(
            "--signal",
            help="What a signal measures, NAME=requests|latency|backlog|utilization|inflight; repeatable.",
        ),
    ] = None,
    slo: Annotated[
        str, typer.Option("--slo", help="The objective: a request takes at most this long.")
    ] = "500ms",
    quantile: Annotated[
        float, typer.Option("--quantile", help="The share of requests that the objective asks for.")
    ] = 0.95,
    service_time: Annotated[
        str | None,
        typer.Option("--service-time", help="Mean time of a request alone (default: 1 / service rate)."),
    ] = None,
    window: Annotated[
        str, typer.Option("--window", help="Window of signals whose query names none.")
    ] = "30s",
    least: Annotated[
        int | None, typer.Option("--min-replicas", help="Instead of the rule's minimum.")
    ] = None,
    most: Annotated[int | None, typer.Option("--max-replicas", help="Instead of the rule's maximum.")] = None,
    begins: Annotated[
        str | None,
        typer.Option(
            "--begins", help="When the trace begins, for schedules: an ISO time (UTC without offset)."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--rule", help="Which rule, where the file holds several.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write a plot (.png, .svg, .pdf); needs the extra plots.")
    ] = None,
) -> None:
    """Replay a trace of requests against a model of the service and score what a rule does."""
    from rulebook.errors import RulebookError
    from rulebook.simulation import BEGINS_AT, Service, Settings, compare, parse_trace
    from tidegate.rules_scores import as_json, show

    try:
        document = pick_rule(rule, name)
        per_s = _positive(service_rate, "--service-rate")
        service = Service(
            rate_per_s=per_s,
            startup_s=read_duration(startup, "--startup"),
            service_time_s=1.0 / per_s
            if service_time is None
            else read_duration(service_time, "--service-time"),
            slo_s=read_duration(slo, "--slo"),
            quantile=_share(quantile),
        )
        settings = Settings(
            told=_told(meanings or []),
            against_hpa=_choice(against, ("hpa",), "--against") is not None,
            hpa_metric=cast(
                "Literal['requests', 'utilization']",
                _choice(hpa_metric, ("requests", "utilization"), "--hpa-metric"),
            ),
            hpa_target=hpa_target,
            window_s=read_duration(window, "--window"),
            least=least,
            most=most,
            begins_at=BEGINS_AT if begins is None else read_time(begins, "--begins"),
        )
        comparison = compare(document, parse_trace(_text(trace), str(trace)).scaled(scale), service, settings)
    except (RulebookError, OSError) as error:
        refuse(str(error))
    if json:
        print(json_module.dumps(as_json(comparison, scale), indent=2, allow_nan=False))
    else:
        show(comparison, scale)
    if plot is not None:
        _plot(comparison, plot)


def _plot(comparison: Comparison, file: Path) -> None:
    try:
        from tidegate.rules_plot import draw
    except ImportError:
        refuse("--plot needs matplotlib: install tidegate with the extra plots")
    try:
        draw(comparison, file)
    except (OSError, ValueError) as error:
        refuse(f"--plot {file}: {str(error).splitlines()[0]}")


def _text(path: Path) -> str:
    if path.is_dir():
        refuse(f"{path}: is a folder")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_TRACE_BYTES + 1)
    except OSError as error:
        refuse(f"--trace {path}: cannot be read: {error.strerror}")
    if len(data) > MAX_TRACE_BYTES:
        refuse(f"{path}: is larger than {MAX_TRACE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        refuse(f"{path}:{line}: is not UTF-8")


def _told(texts: list[str]) -> dict[str, Meaning]:
    from rulebook.simulation import MEANINGS

    told: dict[str, Meaning] = {}
    for text in texts:
        name, equals, word = text.partition("=")
        if not equals or not name or word not in MEANINGS:
            refuse(f"--signal {text}: must be NAME=MEANING, one of {', '.join(MEANINGS)}")
        told[name] = word
    return told


def _positive(value: float, option: str) -> float:
    if not 1e-6 <= value <= 1e9:
        refuse(f"{option} must be from 0.000001 to a thousand million, found {value:g}")
    return value


def _share(value: float) -> float:
    if not 0 < value < 1:
        refuse(f"--quantile must be between 0 and 1, found {value:g}")
    return value


def _choice(value: str | None, words: tuple[str, ...], option: str) -> str | None:
    if value is not None and value not in words:
        refuse(f"{option} must be {' or '.join(words)}, found {value!r}")
    return value
