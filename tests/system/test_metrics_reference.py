"""docs/metrics.md names every metric there is, and no other."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from autoscaler.instrumentation.prometheus import PrometheusInstrument
from rulebook.families import Family
from tidegate.metrics_reference import gate_families, reference
from waitingroom.counts import StoreCalls
from waitingroom.gate.counts import Counts, Exchanges
from waitingroom.gate.metrics import GateCollector, GateFigures
from waitingroom.metrics import FAMILIES, RoomCollector

ROOT = Path(__file__).parents[2]
BASE_UNITS = {"_seconds": "s", "_timestamp_seconds": "unix time, s", "_per_second": "buyers/s"}


def families() -> list[Family]:
    return [*FAMILIES, *gate_families(), *PrometheusInstrument().families]


def test_every_family_that_is_exposed_is_declared() -> None:
    declared = {family.name: family for family in families()}
    room = CollectorRegistry()
    room.register(RoomCollector({}, StoreCalls()))
    counts = Counts()
    counts.refuse("said by nobody")
    gates = GateFigures(
        {"auth": counts, "proxy": counts}, lambda: 1, lambda: False, Exchanges(), {}, lambda: 2
    )
    room.register(GateCollector(gates))
    shop = CollectorRegistry()
    shop.register(GateCollector(GateFigures({"middleware": counts}, lambda: 0, lambda: False)))
    exposed = [list(registry.collect()) for registry in (room, shop, PrometheusInstrument().registry)]
    for metric in [metric for metrics in exposed for metric in metrics]:
        family = declared[metric.name]
        assert family.kind == metric.type
        for sample in metric.samples:
            assert set(sample.labels) - {"le"} == set(family.labels), sample
    assert {family.name for family in gate_families()} <= {metric.name for metric in exposed[0]}


def test_every_family_is_on_the_page() -> None:
    page = reference()
    assert [family.exposed for family in families() if f"`{family.exposed}`" not in page] == []


def test_every_metric_named_in_the_sources_and_pages_exists() -> None:
    known = {family.name for family in families()}
    suffixes = ("_total", "_bucket", "_sum", "_count")
    named = re.compile(r"(?<![a-z]:)tidegate_(?:queue|scaler)_[a-z][a-z_]*[a-z]")
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.yaml"), ROOT / "README.md"]
    for page in pages:
        for name in named.findall(page.read_text()):
            bare = [name.removesuffix(suffix) for suffix in suffixes]
            assert known & {name, *bare}, f"{page}: {name}"


def test_names_follow_the_conventions() -> None:
    for family in families():
        assert re.fullmatch(r"tidegate_(queue|scaler)_[a-z_]+", family.name)
        assert not family.name.endswith(("_total", "_ms", "_milliseconds", "_minutes"))
        assert family.text.endswith(".")
        assert family.unit
        for suffix, unit in BASE_UNITS.items():
            if family.name.endswith(suffix) and not family.name.endswith("timestamp" + suffix):
                assert family.unit == unit, family.name
