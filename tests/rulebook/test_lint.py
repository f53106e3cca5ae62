"""The linter: each code is found where it applies, at its place, and nowhere else; and can be silenced."""

# ruff: noqa: E501  # one finding, one row: a table of messages is read across

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rulebook import load_text
from rulebook.lint import lint
from tests.rulebook.documents import ONSALE, RULE

NOW_S = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


def findings(text: str, start_up_s: float = 30.0) -> list[str]:
    return [str(finding) for finding in lint(load_text(text, "x.yaml"), NOW_S, start_up_s)]


GUARDED = ONSALE.replace("burst: 40", "burst: 40, fallbackRate: 5/s")


def test_there_is_nothing_to_say_about_what_is_meant() -> None:
    assert findings(RULE) == []
    assert findings(ONSALE) == []
    assert findings(RULE + "---\n" + GUARDED) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("perReplica: 50/s", "perReplica: 50/s\n      maxAge: 1m", "11:15: spec.signals[0].maxAge: has no effect without prometheus.freshness: the answer to a query is always of this moment [max-age-without-freshness]"),
        ("above: 500ms", "above: 200ms", "14:82: spec.admission.slow.above: is not above the target 0.3 of latency: buyers are slowed down before replicas are added [slow-below-target]"),
        ("perReplica: 50/s", "target: 0.5", "8:5: spec.signals: no signal has perReplica: a ratio such as latency says that there is too much load, not how much; add the load itself [no-load-signal]"),
        ("perReplica: 50/s", "perReplica: 50/s\n      activateAbove: 1", "11:22: spec.signals[0].activateAbove: has no effect while replicas.min is 2: only from and to 0 is woken and put to sleep [activation-without-zero]"),
    ],
)  # fmt: skip
def test_a_change_of_a_rule_has_a_finding(old: str, new: str, expected: str) -> None:
    assert old in RULE
    assert findings(RULE.replace(old, new)) == [f"x.yaml:{expected}"]


UP = "  behavior: {{scaleUp: {{selectPolicy: {}}}}}\n"
TWICE = "  schedule: [{{cron: 0 9 * * *, for: {}, min: 8, timeZone: UTC}}, {{cron: 0 13 * * *, for: 1h, min: 9, timeZone: UTC}}]\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  decide: latency\n", "8:13: spec.signals[0].name: requests is used neither by the formula nor by anything else [unused-signal]"),
        (UP.format("Disabled"), "15:38: spec.behavior.scaleUp.selectPolicy: never scales up, not even for a schedule [scale-up-disabled]"),
        ("  fallback: {replicas: 70}\n", "15:24: spec.fallback.replicas: is above replicas.max 60, which holds [fallback-above-max]"),
        ("  fallback: {replicas: 2}\n", "15:24: spec.fallback.replicas: has no effect: replicas.min is 2 already [fallback-without-effect]"),
        ("  fallback: {replicas: 5, mode: atMost}\n", "15:33: spec.fallback.mode: has no effect without mayScaleDown: true: without data nothing goes below the current count [fallback-without-effect]"),
        ("  schedule: [{cron: 0 9 * * *, for: 1h, min: 61, timeZone: UTC}]\n", "15:46: spec.schedule[0].min: is above replicas.max 60 [floor-above-max]"),
        ("  schedule: [{cron: 0 9 * * *, for: 1h, min: 2, timeZone: UTC}]\n", "15:46: spec.schedule[0].min: has no effect: replicas.min is 2 already [floor-without-effect]"),
        ("  schedule: [{cron: 0 9 30 2 *, for: 1h, min: 8, timeZone: UTC}]\n", "15:21: spec.schedule[0].cron: never takes place [schedule-never]"),
        ("  schedule: [{cron: 0 9 * * *, for: 10s, min: 8, timeZone: UTC}]\n", "15:37: spec.schedule[0].for: holds for less than the interval of 15s [schedule-shorter-than-interval]"),
        ("  schedule: [{at: '2026-10-01T09:00Z', for: 1h, min: 8}]\n", "15:19: spec.schedule[0].at: is over [schedule-past]"),
        (TWICE.format("230m"), "15:14: spec.schedule[0]: ends 10m before schedule[1] begins: the floor drops in between [schedule-gap]"),
        ("  schedule: [{cron: 0 */2 * * *, for: 110m, min: 8, timeZone: UTC}]\n", "15:14: spec.schedule[0]: ends 10m before the next time begins: the floor drops in between [schedule-gap]"),
        ("  schedule: [{onsale: gala, min: 8}]\n", "15:23: spec.schedule[0].onsale: is less than a replica's start-up of 30s: not all is ready when the doors open [lead-below-start-up]"),
        ("  schedule: [{onsale: gala, lead: 20s, min: 8}]\n", "15:35: spec.schedule[0].lead: is less than a replica's start-up of 30s: not all is ready when the doors open [lead-below-start-up]"),
        ("  forecast: {signal: requests, horizon: 10s}\n", "15:41: spec.forecast.horizon: is less than the interval of 15s [horizon-below-interval]"),
    ],
)  # fmt: skip
def test_a_line_in_a_rule_has_a_finding(line: str, expected: str) -> None:
    assert findings(RULE + line) == [f"x.yaml:{expected}"]


def test_a_forecast_whose_past_no_prometheus_remembers_has_a_finding() -> None:
    forecast = "  forecast: {signal: requests, horizon: 10m}\n"
    assert findings(RULE + forecast) == []
    scraped = RULE.replace(
        "prometheus: {query: up}\n      perReplica", "exposition: {gauge: busy}\n      perReplica"
    )
    assert scraped != RULE
    assert findings(scraped + forecast) == [
        "x.yaml:15:22: spec.forecast.signal: requests is not read from Prometheus, so its past is known to one process only: after a restart or a change of leader nothing is forecast before a season of 24h was seen again [forecast-without-prometheus]"
    ]


@pytest.mark.parametrize(
    "line",
    [
        TWICE.format("4h"),
        TWICE.format("2h"),
        "  schedule: [{cron: 29 9 29 2 *, for: 1h, min: 8, timeZone: UTC}]\n",
        "  schedule: [{cron: '* * * * *', for: 2m, min: 8, timeZone: UTC}]\n",
        "  schedule: [{onsale: gala, lead: 30s, min: 8}]\n",
        "  fallback: {replicas: 5, mode: atMost, mayScaleDown: true}\n",
        "  decide: 'values.requests > 1.0 ? latency : 2'\n",
    ],
    ids=range(7),
)
def test_a_line_that_is_meant_has_none(line: str) -> None:
    assert findings(RULE + line) == []


def crowd(drain_within: str) -> str:
    return RULE.replace(
        "    - name: latency",
        f"    - name: crowd\n      onsale: {{name: gala, drainWithin: {drain_within}}}\n      perReplica: 5/s\n    - name: latency",
    )


def test_a_backlog_is_not_to_be_gone_before_a_replica_is_there() -> None:
    assert findings(crowd("20m")) == []
    assert findings(crowd("30s")) == [
        "x.yaml:12:41: spec.signals[1].onsale.drainWithin: is not more than a replica's start-up of 30s: what is ordered for this backlog is ready when the deadline has passed [drain-below-start-up]"
    ]
    assert findings(crowd("12s"), 2.0) == [
        "x.yaml:12:41: spec.signals[1].onsale.drainWithin: is not more than the interval of 15s [drain-below-interval]"
    ]


def test_from_zero_something_has_to_wake_the_target() -> None:
    zero = RULE.replace("min: 2", "min: 0")
    assert findings(zero) == []
    (found,) = [text for text in findings(zero.replace("perReplica: 50/s", "target: 5")) if "zero" in text]
    assert found.endswith("give a signal activateAbove [zero-by-ratio]")
    assert found.startswith("x.yaml:6:19: spec.replicas.min: is 0")
    percent = "  behavior: {scaleUp: {policies: [{type: Percent, value: 100, periodSeconds: 15}]}}\n"
    (found,) = findings(zero + percent)
    assert found.endswith("[percent-only-from-zero]")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("burst: 40", "burst: 40, capacity: 10000", "11:21: spec.admission.rate: 20/s x session.length 10m = 12000 sessions is more than capacity 10000: the rate will not be reached for long [sessions-exceed-capacity]"),
        ("burst: 40", "burst: 40, fallbackRate: 30/s", "11:52: spec.admission.fallbackRate: is above rate, which holds [fallback-rate-above-rate]"),
    ],
)  # fmt: skip
def test_a_change_of_an_onsale_has_a_finding(old: str, new: str, expected: str) -> None:
    assert findings(ONSALE.replace(old, new)) == [f"x.yaml:{expected}"]
    assert findings(ONSALE.replace(old, "burst: 40, capacity: 12000, fallbackRate: 20/s")) == []


def test_a_rate_beyond_what_all_replicas_allow_is_out_of_reach() -> None:
    text = RULE + "---\n" + GUARDED.replace("rate: 20/s", "rate: 301/s")
    assert findings(text) == [
        "x.yaml:26:21: spec.admission.rate: is out of reach: rule web allows 5/s for each of at most 60 replicas, 300/s in all [rate-out-of-reach]"
    ]


def test_a_silent_rule_is_not_to_leave_its_last_rate_behind() -> None:
    assert findings(RULE + "---\n" + ONSALE) == [
        "x.yaml:26:3: spec.admission: has no fallbackRate: when rule web falls silent, the last rate that it allowed goes on, whatever the shop can take by then [no-fallback-rate]"
    ]
    assert findings(RULE.replace("onsale: gala", "onsale: other") + "---\n" + ONSALE)[1:] == []


PROTECT = "protect: [{host: shop.example.org, path: /gala}]"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (PROTECT, "outside: deny", "5:9: spec.shop: is guarded nowhere: protect names nothing, so nobody is held back [shop-not-protected]"),
        ("shop: https://shop.example.org/", "shop: https://shop.example.org/kaktus", "10:12: spec.protect: names shop.example.org/gala, and so nothing of the shop at shop.example.org/kaktus: nobody is held back there [shop-not-protected]"),
        (PROTECT, "protect: [{path: /gala}, {host: api.example.org, path: /v1}]", "10:35: spec.protect[1].host: is not shop.example.org, the host of shop: a pass is a cookie of that host, so that nobody ever enters here [protect-elsewhere]"),
        (PROTECT, PROTECT + "\n  bypass: [{path: /gala/css}, {path: /}]", "11:38: spec.bypass[1].path: lets everything through below shop.example.org/gala, which is protected [bypass-covers-protect]"),
        ("  prequeue: 2026-12-05T09:30:00+01:00\n", "", "8:10: spec.order: draws among nobody without prequeue: nobody can join before the opening, and later ones stand behind [draw-without-prequeue]"),
    ],
)  # fmt: skip
def test_a_sale_that_is_not_what_was_meant_has_a_finding(old: str, new: str, expected: str) -> None:
    assert old in ONSALE
    assert findings(ONSALE.replace(old, new)) == [f"x.yaml:{expected}"]


def test_a_typo_in_the_host_leaves_the_shop_open() -> None:
    found = findings(ONSALE.replace("protect: [{host: shop.", "protect: [{host: shoop."))
    assert [text.rpartition(" [")[2] for text in found] == ["shop-not-protected]", "protect-elsewhere]"]


@pytest.mark.parametrize("bypass", ["{path: /gala/css}", "{path: /, methods: [OPTIONS]}", "{path: /gal}"])
def test_what_is_let_through_in_part_has_none(bypass: str) -> None:
    assert findings(ONSALE.replace(PROTECT, f"{PROTECT}\n  bypass: [{bypass}]")) == []


def test_a_sale_that_is_over_has_a_finding() -> None:
    assert findings(ONSALE.replace("2026-", "2024-")) == ["x.yaml:8:11: spec.closes: is over [onsale-past]"]


QUANTILE = "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))"


def test_a_latency_of_minutes_was_meant_in_milliseconds() -> None:
    latency = RULE.replace("query: up}\n      target: 300ms", f"query: '{QUANTILE}'}}\n      target: 300ms")
    assert findings(latency) == []
    found = findings(latency.replace("300ms", "300").replace("500ms", "500"))
    assert found == [
        "x.yaml:13:15: spec.signals[1].target: is 300 s, as latency is in seconds: for milliseconds write 300ms [latency-in-seconds]",
        "x.yaml:14:82: spec.admission.slow.above: is 500 s, as latency is in seconds: for milliseconds write 500ms [latency-in-seconds]",
    ]


def test_a_cron_line_without_zone_is_in_utc() -> None:
    assert findings(RULE + "  schedule: [{cron: 0 9 * * SAT, for: 1h, min: 8}]\n") == [
        "x.yaml:15:21: spec.schedule[0].cron: is in UTC: a timeZone such as Europe/Brussels follows the clocks there, and summer time; or write UTC [cron-without-zone]"
    ]


def test_an_onsale_that_is_nowhere_is_found_where_there_are_others() -> None:
    (found,) = findings(RULE.replace("onsale: gala", "onsale: galas") + "---\n" + ONSALE)
    assert (
        found
        == "x.yaml:14:23: spec.admission.onsale: there is no Onsale galas among the documents (gala) [unknown-onsale]"
    )


def test_a_rule_without_test_is_found_where_others_have_one() -> None:
    other = RULE.replace("name: web", "name: other")
    test = "---\n{apiVersion: tidegate.dev/v1, kind: RuleTest, metadata: {name: t}, spec: {rule: web, replicas: 2, expect: [{at: 0s, replicas: 2}]}}\n"
    assert findings(RULE + test) == []
    assert findings(RULE + test + "---\n" + other) == [
        "x.yaml:20:18: metadata.name: no RuleTest names rule other, though other rules here have tests [untested]"
    ]


def test_a_document_can_silence_a_code() -> None:
    text = ONSALE.replace("burst: 40", "burst: 40, capacity: 10000")
    noted = text.replace(
        "name: gala}", "name: gala, annotations: {tidegate.dev/lint-ignore: 'x, sessions-exceed-capacity'}}"
    )
    assert len(findings(text)) == 1
    assert findings(noted) == []
