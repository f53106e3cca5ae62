"""`tidegate rules backtest`: its options. What it prints stands in `rules_backtest_report`."""

from __future__ import annotations

import json as json_module
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate import prometheus_options as prom
from tidegate.cli_options import refuse
from tidegate.rules_arguments import pick_rule, read_duration, read_time

if TYPE_CHECKING:
    from autoscaler.backtest import Stretch
    from rulebook import ScalingRule
    from rulebook.simulation import Backtest, Service


def backtest(
    rule: Annotated[Path, typer.Argument(help="File with a ScalingRule.")],
    begins: Annotated[
        str,
        typer.Option(
            "--from", help="Where to begin: an ISO time (UTC without offset), or how long ago, such as 7d."
        ),
    ],
    ends: Annotated[
        str, typer.Option("--to", help="Where to end: an ISO time, how long ago, or now.")
    ] = "now",
    step: Annotated[
        str | None,
        typer.Option("--step", help="From one decision to the next (default: the rule's interval)."),
    ] = None,
    startup: Annotated[
        str, typer.Option("--startup", help="From ordering a replica until it is ready.")
    ] = "30s",
    service_rate: Annotated[
        float | None,
        typer.Option(
            "--service-rate",
            help="Requests/s that one replica serves at most: models what buyers would have felt.",
            show_default=False,
        ),
    ] = None,
    requests: Annotated[
        str | None,
        typer.Option(
            "--requests",
            help="The signal that is all requests/s, for the model (default: the only one with perReplica).",
            show_default=False,
        ),
    ] = None,
    service_time: Annotated[
        str | None,
        typer.Option("--service-time", help="Mean time of a request alone (default: 1 / service rate)."),
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            "--slo", help="The model's objective: a request takes at most this long (default: 500ms)."
        ),
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option("--quantile", help="The share of requests that the objective asks for (default: 0.95)."),
    ] = None,
    replicas_query: Annotated[
        str | None,
        typer.Option(
            "--replicas-query",
            help="What the replicas were (default: kube-state-metrics of the target, or our own metrics).",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        list[str] | None,
        typer.Option("--query", help="Read a signal by this query instead, NAME=PROMQL; repeatable."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--rule", help="Which rule, where the file holds several.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write a plot (.png, .svg, .pdf); needs the extra plots.")
    ] = None,
    prometheus: prom.Url = None,
    prometheus_token_file: prom.TokenFile = None,
    prometheus_username: prom.Username = None,
    prometheus_password_file: prom.PasswordFile = None,
    prometheus_ca_file: prom.CaFile = None,
    prometheus_cert_file: prom.CertFile = None,
    prometheus_key_file: prom.KeyFile = None,
    prometheus_header: prom.Headers = None,
) -> None:
    """Replay a rule over what Prometheus remembers, beside what was done then, and score both."""
    from autoscaler.backtest import recall
    from autoscaler.errors import AutoscalerError
    from autoscaler.prometheus.past import Past
    from rulebook.errors import RulebookError
    from rulebook.simulation import backtest as replay
    from rulebook.simulation import model_courses
    from tidegate.rules_backtest_report import as_json, model_json, show, show_model

    try:
        document = pick_rule(rule, name)
        stretch = _stretch(begins, ends, step, document.spec.interval_s)
        startup_s = read_duration(startup, "--startup")
        told = _told(queries or [], document)
        if plot is not None and not plot.parent.is_dir():
            refuse(f"--plot {plot}: there is no folder {plot.parent}")
        model = None
        given = {"--requests": requests, "--service-time": service_time, "--slo": slo, "--quantile": quantile}
        if service_rate is None and any(value is not None for value in given.values()):
            named = " and ".join(option for option, value in given.items() if value is not None)
            refuse(f"{named}: for the model of the service, which needs --service-rate too")
        if service_rate is not None:
            model = _Model(
                _requests(requests, document),
                _service(
                    service_rate,
                    startup_s,
                    service_time,
                    slo or "500ms",
                    0.95 if quantile is None else quantile,
                ),
            )
        access = prom.access_of(
            prometheus,
            prometheus_token_file,
            prometheus_username,
            prometheus_password_file,
            prometheus_ca_file,
            prometheus_cert_file,
            prometheus_key_file,
            prometheus_header,
        )
        if access is None:
            refuse("--prometheus is needed: which server remembers?")
        with Past(access) as past:
            recorded = recall(past, document, stretch, told=told, replicas_query=replicas_query)
        result = replay(document, recorded, startup_s)
        contenders = () if model is None else model_courses(result, model.signal, model.service)
    except (RulebookError, AutoscalerError, OSError) as error:
        refuse(str(error))
    if json:
        shown = as_json(result)
        if model is not None:
            shown["model"] = model_json(model.signal, model.service, contenders)
        print(json_module.dumps(shown, indent=2, allow_nan=False))
    else:
        show(result)
        if model is not None:
            show_model(model.signal, model.service, contenders)
    if plot is not None:
        _plot(result, plot)


@dataclass(frozen=True, slots=True)
class _Model:
    signal: str
    service: Service


def _requests(name: str | None, rule: ScalingRule) -> str:
    amounts = [
        signal.name
        for signal in rule.spec.signals
        if signal.per_replica is not None and signal.onsale is None
    ]
    if name in amounts:
        return name
    listed = ", ".join(amounts) or "none"
    if name is not None:
        refuse(f"--requests {name}: rule {rule.name} has no such signal with perReplica (it has {listed})")
    if len(amounts) != 1:
        refuse(f"--service-rate needs to know which signal is the requests/s: --requests NAME ({listed})")
    return amounts[0]


def _service(rate: float, startup_s: float, service_time: str | None, slo: str, quantile: float) -> Service:
    from rulebook.simulation import Service

    if not 1e-6 <= rate <= 1e9:
        refuse(f"--service-rate must be from 0.000001 to a thousand million, found {rate:g}")
    if not 0 < quantile < 1:
        refuse(f"--quantile must be between 0 and 1, found {quantile:g}")
    return Service(
        rate_per_s=rate,
        startup_s=startup_s,
        service_time_s=1.0 / rate if service_time is None else read_duration(service_time, "--service-time"),
        slo_s=read_duration(slo, "--slo"),
        quantile=quantile,
    )


def _stretch(begins: str, ends: str, step: str | None, interval_s: float) -> Stretch:
    from autoscaler.backtest import Stretch
    from rulebook.simulation.backtest import MAX_MOMENTS

    now_s = time.time()
    # Prometheus' client takes whole seconds.
    step_s = max(math.ceil(interval_s if step is None else read_duration(step, "--step")), 1)
    start_s = math.floor(_moment(begins, "--from", now_s))
    end_s = math.floor(_moment(ends, "--to", now_s))
    if start_s >= end_s:
        refuse(f"--from {begins} is not before --to {ends}")
    if start_s > now_s:
        refuse(f"--from {begins} is still to come")
    end_s = min(end_s, math.floor(now_s))
    moments = (end_s - start_s) // step_s + 1
    if moments < 2:
        refuse(f"from {begins} to {ends} there is not even one step of {step_s} s: give a shorter --step")
    if moments > MAX_MOMENTS:
        longer = math.ceil((end_s - start_s) / MAX_MOMENTS)
        refuse(
            f"from {begins} to {ends} there are {moments} steps of {step_s} s, more than {MAX_MOMENTS}: "
            f"give --step {longer}s or more, or a shorter time"
        )
    return Stretch(start_s, moments, step_s)


def _moment(text: str, option: str, now_s: float) -> float:
    if text == "now":
        return now_s
    if text[:1].isdigit() and text[-1:] in "smhd":
        return now_s - read_duration(text, option)
    at = read_time(text, option)
    try:
        return at.timestamp()
    except (OverflowError, ValueError):
        refuse(f"{option} {text} is too long ago")


def _told(texts: list[str], rule: ScalingRule) -> dict[str, str]:
    readable = [signal.name for signal in rule.spec.signals if signal.onsale is None]
    told = {}
    for text in texts:
        name, equals, query = text.partition("=")
        if not equals or not query.strip():
            refuse(f"--query {text}: must be NAME=PROMQL")
        if name.strip() not in readable:
            refuse(
                f"--query {name}: rule {rule.name} has no such signal that is read by a query "
                f"(it has {', '.join(readable) or 'none'})"
            )
        told[name.strip()] = query.strip()
    return told


def _plot(result: Backtest, file: Path) -> None:
    try:
        from tidegate.rules_backtest_plot import draw
    except ImportError:
        refuse("--plot needs matplotlib: install tidegate with the extra plots")
    try:
        draw(result, file)
    except (OSError, ValueError) as error:
        refuse(f"--plot {file}: {str(error).splitlines()[0]}")
