"""What is left of a run: report.json, report.png, and a few lines for the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tidegate.demo.checks import Check
from tidegate.demo.errors import PlotsMissing
from tidegate.demo.figures import Evidence, Figures, Terms
from tidegate.demo.options import DemoOptions
from tidegate.demo.plot import plot


def write_report(
    folder: Path,
    options: DemoOptions,
    evidence: Evidence,
    terms: Terms,
    figures: Figures,
    checks: Sequence[Check],
) -> list[str]:
    """Write the files into `folder`; return what there is to say about them."""
    scenario, seconds = options.scenario, options.arrive_within_s
    document = {
        "scenario": scenario.name,
        **asdict(figures),
        "kept_promises": figures.kept_promises,
        "checks": [asdict(check) for check in checks],
        "seconds": seconds,
        "seed": options.seed,
        "opened": datetime.fromtimestamp(terms.opens_s, UTC).isoformat(),
        "capacity": asdict(terms.capacity),
    }
    report, picture = folder / "report.json", folder / "report.png"
    report.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    title = f"Tidegate, {scenario.name}: {options.buyers} buyers, arriving over {seconds:g} s"
    try:
        plot(evidence, terms.opens_s, title, picture, terms.capacity.setbacks)
    except PlotsMissing as error:
        return [f"report: {report} (no picture: {error})"]
    return [f"report: {report}, {picture}"]


def summary(figures: Figures) -> list[str]:
    """Say in a few lines how the run went."""
    stayed = figures.buyers - figures.left
    return [
        f"served {figures.served} of {stayed} buyers who stayed ({figures.left} left) in {_text(figures.seconds_to_serve)} s; "
        f"the optimum was {_text(figures.seconds_optimum)} s (ratio {_text(figures.ratio)})",
        f"lost places {figures.lost_places}, over-admitted {figures.over_admitted}, "
        f"double claims {figures.double_claims}, order violations {figures.order_violations}",
        f"waits within the first range told {_text(figures.eta_coverage)} of buyers, within later ones "
        f"{_text(figures.eta_coverage_later)} (relative width {_text(figures.eta_width_ratio)})",
        f"replicas {_text(figures.replicas_min)} to {_text(figures.replicas_max)}, checkout p95 {_text(figures.shop_p95_ms)} ms "
        f"(objective {figures.slo_ms:g} ms), shop errors {figures.shop_errors} of {figures.shop_requests} requests",
    ]


def tell(check: Check) -> str:
    """Say in a line what a scenario has shown, or has not."""
    return f"{'shown' if check.held else 'NOT SHOWN'}: {check.name}: {check.detail}"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
