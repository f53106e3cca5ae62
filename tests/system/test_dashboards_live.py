"""Every query of the dashboards gives data: asked of a real Prometheus which saw a sale, and a scaler in trouble."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

import pytest

from tests.autoscaler.prometheus_server import Prometheus
from tests.system.dashboard_stage import SALE, TROUBLE, Played, play, write_config
from tests.system.dashboards import FILES, LABEL_VALUES, Asked, all_asked, read

pytestmark = pytest.mark.slow

ONSALE, RULES = "cactusfestival", ("demo-shop", "web")
_ELSE_ZERO = " or vector(0)"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("stage")
    prometheus = Prometheus(folder / "prometheus")
    write_config(prometheus.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEGATE_PROMETHEUS", prometheus.url)
        prometheus.start()
        try:
            yield asyncio.run(play(folder, prometheus))
        finally:
            prometheus.stop()


def chosen(expr: str, rule: str) -> str:
    """Put in what Grafana would: all namespaces and signals, one onsale, one rule."""
    values = {
        "$namespace": ".*",
        "$onsale": ONSALE,
        "$rule": rule,
        "$signal": "(checkouts|latency|crowd|asked|busy)",
        "$__rate_interval": "10s",
    }
    for name, value in values.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


def has_data(played: Played, each: Asked) -> bool:
    """Tell whether a query gave a number; a zero in the place of nothing is no data, so it is left out."""
    rules = RULES if "$rule" in each.expr else ("",)
    return any(
        math.isfinite(value)
        for rule in rules
        for values in played.series(chosen(each.expr.removesuffix(_ELSE_ZERO), rule))
        for value in values
    )


def test_every_query_gives_data(played: Played) -> None:
    empty = {(each.dashboard, each.of) for each in all_asked() if not has_data(played, each)}
    assert empty == set()


def test_a_zero_in_the_place_of_nothing_is_no_data(played: Played) -> None:
    assert not has_data(played, Asked("health", "Alerts", 'count(ALERTS{alertname="NoSuch"}) or vector(0)'))


def test_every_variable_offers_what_is_there(played: Played) -> None:
    offered: dict[str, set[str]] = {}
    for path in FILES:
        for variable in read(path)["templating"].get("list", ()):
            if variable["type"] == "query":
                matched = LABEL_VALUES.fullmatch(variable["query"])
                assert matched is not None
                selector = chosen(matched["selector"], "demo-shop")
                offered[variable["name"]] = set(played.label_values(selector, matched["label"]))
    assert offered == {
        "namespace": {SALE},
        "onsale": {ONSALE, "presale"},
        "rule": set(RULES),
        "signal": {"checkouts", "latency", "crowd", "asked"},
    }


def test_openings_and_changes_of_replicas_are_marked_at_their_moment(played: Played) -> None:
    marked = {
        each.of: {value / 1000 for values in played.series(chosen(each.expr, "web")) for value in values}
        for each in all_asked()
        if each.of.startswith("annotation")
    }
    (opens_s,) = marked["annotation Doors open"]
    assert opens_s == pytest.approx(played.opens_s, abs=1)
    changes = marked["annotation Replicas changed"]
    assert len(changes) > 2, "up, down, and by hand"
    assert all(played.began_s <= at_s <= played.ended_s for at_s in changes)


def test_each_namespace_has_its_own(played: Played) -> None:
    for name, rule in ((SALE, "demo-shop"), (TROUBLE, "web")):
        found = played.label_values(f'tidegate_scaler_desired_replicas{{namespace="{name}"}}', "rule")
        assert found == [rule]
