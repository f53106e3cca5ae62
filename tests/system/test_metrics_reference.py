"""docs/metrics.md names every metric there is, and no other."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from autoscaler.instrumentation.prometheus import PrometheusInstrument
from rulebook.families import Family
from tidegate.metrics_reference import gate_families, reference
from waitingroom.counts import StoreCalls
from waitingroom.metrics import FAMILIES, RoomCollector

ROOT = Path(__file__).parents[2]
BASE_UNITS = {"_seconds": "s", "_timestamp_seconds": "unix time, s", "_per_second": "buyers/s"}


def families() -> list[Family]:
    return [*FAMILIES, *gate_families(), *PrometheusInstrument().families]


def test_every_family_that_is_exposed_is_declared() -> None:
    declared = {family.name: family.kind for family in families()}
    room = CollectorRegistry()
    room.register(RoomCollector({}, StoreCalls()))
    for registry in (room, PrometheusInstrument().registry):
        for metric in registry.collect():
            assert declared[metric.name] == metric.type


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
