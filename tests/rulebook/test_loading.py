"""Loading: every mistake is named with its place, all of them at once, in exactly these words."""

# ruff: noqa: E501  # one mistake, one row: a table of messages is read across

from __future__ import annotations

from pathlib import Path

import pytest

from rulebook import DocumentErrors, SignalSpec, load_documents, load_text
from tests.rulebook.documents import ONSALE, POOL, RULE

POLICY = "  behavior: {{scaleUp: {{policies: [{}]}}}}\n"
LISTED = "is none of the signals (requests, latency)"


def problems_of(text: str) -> list[str]:
    with pytest.raises(DocumentErrors) as refused:
        load_text(text, "x.yaml")
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("perReplica: 50/s", "perReplicas: 50/s", "10:7: spec.signals[0].perReplicas: unknown field; did you mean perReplica?"),
        ("perReplica: 50/s", "perReplica: 5m", "10:19: spec.signals[0].perReplica: could mean minutes or thousandths (write seconds, or a decimal fraction), found '5m'"),
        ("perReplica: 50/s", "perReplica: 0", "10:19: spec.signals[0].perReplica: must be more than 0, found 0"),
        ("perReplica: 50/s", "perReplica: 1e400", "10:19: spec.signals[0].perReplica: is out of range, found inf"),
        ("perReplica: 50/s", "maxAge: 1m", "8:7: spec.signals[0]: needs exactly one of perReplica and target"),
        ("prometheus: {query: up}\n      perR", "perR", "8:7: spec.signals[0]: needs exactly one source: prometheus, exposition or onsale"),
        ("query: up}\n      perR", "query: 'sum(rate(x[1m])'}\n      perR", "9:27: spec.signals[0].prometheus.query: has a ( that is not closed, found 'sum(rate(x[1m])'"),
        ("query: up}\n      perR", "query: 'rate(x[1m)])'}\n      perR", "9:27: spec.signals[0].prometheus.query: has a ) that closes nothing, found 'rate(x[1m)])'"),
        ("query: up}\n      perR", "query: 'x{job=\"a}'}\n      perR", "9:27: spec.signals[0].prometheus.query: has a \" that is not closed, found 'x{job=\"a}'"),
        ("name: requests", "name: Latenz!", "8:13: spec.signals[0].name: must be a word of at most 63 letters, digits and '_', as formulas use it, found 'Latenz!'"),
        ("name: requests", "name: current", "8:13: spec.signals[0].name: is a word with a meaning of its own in formulas, found 'current'"),
        ("name: requests", "name: latency", "11:13: spec.signals[1].name: latency is already the name of another signal, found 'latency'"),
        ("min: 2", "min: 61", "6:19: spec.replicas.min: must not be above max, found 61"),
        ("min: 2", "min: 2.5", "6:19: spec.replicas.min: must be a whole number, found 2.5"),
        ("min: 2", "min: true", "6:19: spec.replicas.min: must be a whole number, found true"),
        ("name: web}\nspec", "name: Web}\nspec", "3:18: metadata.name: must be a DNS label: at most 63 of a-z, 0-9 and '-', neither first nor last a '-', found 'Web'"),
        ("signal: latency", "signal: latenci", f"14:66: spec.admission.slow.signal: latenci {LISTED}, found 'latenci'"),
        ("kind: ScalingRule", "kind: ScalingRules", "2:7: kind: must be one of Onsale, ProcessPool, RuleTest, ScalingRule, found 'ScalingRules'; did you mean ScalingRule?"),
        ("apiVersion: tidegate.dev/v1", "apiVersion: tidegate.dev/v2", "1:13: apiVersion: must be tidegate.dev/v1, found 'tidegate.dev/v2'; did you mean tidegate.dev/v1?"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_named_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in RULE
    assert problems_of(RULE.replace(old, new, 1)) == [f"x.yaml:{expected}"]


@pytest.mark.parametrize(
    "query",
    ['x{path=~"/a[(].*"}', r"x{a='it\'s (', b=`\(`}", "# nothing of ( counts\n  sum(x) # nor of )"],
)
def test_brackets_in_texts_and_comments_of_a_query_count_for_nothing(query: str) -> None:
    signal = SignalSpec.model_validate({"name": "a", "prometheus": {"query": query}, "target": 1})
    assert signal.prometheus is not None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  decide: max(requests, latensy)\n", f"15:11: spec.decide: latensy {LISTED}, found 'max(requests, latensy)'"),
        ("  decide: requests +\n", "15:11: spec.decide: does not compile: <input>:1:11: Syntax error: mismatched input '<EOF>', found 'requests +'"),
        ("  decide: requests * 1.5\n", "15:11: spec.decide: cannot be evaluated: No such overload: the operation is not defined for the given operand types, found 'requests * 1.5'"),
        ("  decide: 'requests > 3'\n", "15:11: spec.decide: does not yield a number but false, found 'requests > 3'"),
        ("  decide: '[1].map(x, x)[0]'\n", "15:11: spec.decide: must not loop over lists (map, filter, all, exists), found '[1].map(x, x)[0]'"),
        ("  decide: size('a')\n", "15:11: spec.decide: calls size, which is not one of ceil, double, floor, int, max, min, found \"size('a')\""),
        ("  interval: 10\n", "15:13: spec.interval: must be a duration such as 300ms, 10s or 2m, found 10"),
        ("  interval: 100ms\n", "15:13: spec.interval: must be at least 0.5, found '100ms'"),
        ("  tolerance: lots\n", "15:14: spec.tolerance: must be a quantity such as 500m, 2k or 1Ki, found 'lots'"),
        ("  dryRun: 'yes'\n", "15:11: spec.dryRun: must be true or false, found 'yes'"),
        ("  paused: 'yes'\n", "15:11: spec.paused: must be true or false, found 'yes'"),
        ("  paused: {replicas: -1}\n", "15:22: spec.paused.replicas: must be at least 0, found -1"),
        ("  fallback: {mode: atleast, replicas: 1}\n", "15:20: spec.fallback.mode: must be one of static, atLeast, atMost, current, found 'atleast'; did you mean atLeast?"),
        ("  fallback: {}\n", "15:3: spec.fallback: mode atLeast needs replicas"),
        ("  schedule: [{cron: 0 9 * * SAT, min: 8}]\n", "15:14: spec.schedule[0]: needs for: how long the floor holds, such as 4h"),
        ("  schedule: [{cron: 0 24 * * SAT, for: 4h, min: 8}]\n", "15:21: spec.schedule[0].cron: hour at character 3: must be within 0 to 23, found 24"),
        ("  schedule: [{onsale: gala, timeZone: UTC, min: 8}]\n", "15:39: spec.schedule[0].timeZone: does not go with an onsale, which has its own times, found 'UTC'"),
        ("  schedule: [{at: 2026-12-05T09:00, for: 1h, min: 8}]\n", "15:19: spec.schedule[0].at: needs a timeZone, or an offset from UTC such as +01:00, found '2026-12-05T09:00'"),
        ("  schedule: [{cron: 0 9 * * *, timeZone: Europe/Bruges, for: 1h, min: 8}]\n", "15:42: spec.schedule[0].timeZone: must be a time zone such as Europe/Brussels, found 'Europe/Bruges'"),
        ("  schedule: [{onsale: gala, cron: 0 9 * * *, min: 8}]\n", "15:14: spec.schedule[0]: needs exactly one of onsale, cron and at"),
        ("  forecast: {signal: latency, horizon: 10m}\n", "15:22: spec.forecast.signal: must be a signal with perReplica: a load, which seasons bring back, found 'latency'"),
        ("  forecast: {signal: requests, horizon: 2d}\n", "15:41: spec.forecast.horizon: must be shorter than season, found '2d'"),
        ("  schedule: [{cron: 9 o'clock, for: 4h, min: 8}]\n", "15:21: spec.schedule[0].cron: must be five cron fields: minute hour day month weekday, found \"9 o'clock\""),
        (POLICY.format(""), "15:34: spec.behavior.scaleUp.policies: must hold at least one, found a list"),
        (POLICY.format("{type: pods, value: 1, periodSeconds: 5}"), "15:42: spec.behavior.scaleUp.policies[0].type: must be Pods or Percent, found 'pods'; did you mean Pods?"),
        (POLICY.format("{type: Pods, value: 1, periodSeconds: 1801}"), "15:73: spec.behavior.scaleUp.policies[0].periodSeconds: must be at most 1800, found 1801"),
        ("  replica: {}\n", "15:3: spec.replica: unknown field; did you mean replicas?"),
        ("  zzz: {}\n", "15:3: spec.zzz: unknown field (known: admission, behavior, decide, dryRun, fallback, forecast, interval, paused, replicas, schedule, signals, target, tolerance)"),
    ],
)  # fmt: skip
def test_a_wrong_line_in_a_rule_is_named_with_its_place(line: str, expected: str) -> None:
    assert problems_of(RULE + line) == [f"x.yaml:{expected}"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("T10:00:00+01:00", "T10:00:00", "7:10: spec.opens: needs an offset from UTC, such as +01:00, found '2026-12-05T10:00:00'"),
        ("opens: 2026-12-05T10:00:00+01:00", "opens: tomorrow", "7:10: spec.opens: must be a time such as 2026-12-05T10:00:00+01:00, found 'tomorrow'"),
        ("T09:30", "T10:30", "6:13: spec.prequeue: must not be later than opens, found '2026-12-05T10:30:00+01:00'"),
        ("T18:00", "T10:00", "8:11: spec.closes: must be later than opens, found '2026-12-05T10:00:00+01:00'"),
        ("https://shop.example.org/", "shop.example.org", "5:9: spec.shop: must be an absolute http:// or https:// address, found 'shop.example.org'"),
        ("rate: 20/s", "rate: 20", "11:21: spec.admission.rate: must be a rate such as 50/s or 300/m, found 20"),
        ("rate: 20/s", "rate: 0/s", "11:21: spec.admission.rate: must be more than 0, found '0/s'"),
        ("burst: 40", "burst: 0", "11:34: spec.admission.burst: must be at least 1, found 0"),
        ("length: 10m", "length: 31m", "12:21: spec.session.length: must not be longer than max, found '31m'"),
        ("path: /gala", "path: gala", "10:44: spec.protect[0].path: must be a path that begins with '/', without query, found 'gala'"),
        ("order: draw", "order: lottery", "9:10: spec.order: must be draw or fifo, found 'lottery'"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_onsale_is_named_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in ONSALE
    assert problems_of(ONSALE.replace(old, new, 1)) == [f"x.yaml:{expected}"]


def test_a_draw_needs_an_opening() -> None:
    text = "".join(
        line for line in ONSALE.splitlines(keepends=True) if "opens" not in line and "closes" not in line
    )
    assert problems_of(text) == [
        "x.yaml:6:13: spec.prequeue: needs opens: a pre-queue leads to an opening, found '2026-12-05T09:30:00+01:00'",
        "x.yaml:7:10: spec.order: draw needs opens: the draw takes place at the opening, found 'draw'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"{port}"', "x", "5:12: spec.command: must hold the placeholder {port}: replicas differ by nothing else, found a list"),
        ("to: 9120", "to: 9100", "6:17: spec.ports.from: must not be above to, found 9101"),
        ("to: 9120", "to: 70000", "6:27: spec.ports.to: must be at most 65535, found 70000"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_pool_is_named_with_its_place(old: str, new: str, expected: str) -> None:
    assert problems_of(POOL.replace(old, new, 1)) == [f"x.yaml:{expected}"]


def test_all_mistakes_are_told_at_once() -> None:
    text = RULE.replace("perReplica:", "perReplicas:").replace("signal: latency", "signal: latenci")
    text += "  decide: latensy\n---\n" + ONSALE.replace("burst: 40", "burst: 0").replace("T18:00", "T08:00")
    assert problems_of(text) == [
        "x.yaml:10:7: spec.signals[0].perReplicas: unknown field; did you mean perReplica?",
        f"x.yaml:14:66: spec.admission.slow.signal: latenci {LISTED}, found 'latenci'",
        f"x.yaml:15:11: spec.decide: latensy {LISTED}, found 'latensy'",
        "x.yaml:24:11: spec.closes: must be later than opens, found '2026-12-05T08:00:00+01:00'",
        "x.yaml:27:34: spec.admission.burst: must be at least 1, found 0",
    ]


def test_names_and_targets_are_given_once() -> None:
    assert problems_of(
        RULE + "---\n" + RULE + "---\n" + RULE.replace("name: web}\nspec", "name: web2}\nspec")
    ) == [
        "x.yaml:18:18: metadata.name: ScalingRule web is already defined in x.yaml:1",
        "x.yaml:20:3: spec.target: Deployment shop/web already belongs to rule web in x.yaml:1",
        "x.yaml:35:3: spec.target: Deployment shop/web already belongs to rule web in x.yaml:1",
    ]


def test_two_onsales_do_not_protect_the_same_path() -> None:
    other = ONSALE.replace("name: gala", "name: ball").replace("host: shop.example.org, ", "")
    assert problems_of(ONSALE + "---\n" + other) == [
        "x.yaml:23:13: spec.protect[0]: overlaps with onsale gala, which protects shop.example.org/gala too"
    ]
    assert len(load_text(ONSALE + "---\n" + other.replace("/gala", "/ball")).onsales) == 2


def test_missing_fields_are_named() -> None:
    assert problems_of("kind: Onsale\nmetadata: {}\n") == [
        "x.yaml:1:1: apiVersion: must be tidegate.dev/v1, and is missing",
        "x.yaml:1:1: spec: is required, and missing",
        "x.yaml:2:1: metadata.name: is required, and missing",
    ]


def test_files_and_folders_are_read_and_hidden_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.yaml").write_text("# nothing\n---\n" + RULE + "---\n" + ONSALE)
    (tmp_path / "below" / "b.yml").write_text("\ufeff" + POOL)
    (tmp_path / ".hidden" / "c.yaml").write_text("rubbish")
    (tmp_path / "notes.txt").write_text("rubbish")
    documents = load_documents(tmp_path)
    assert (list(documents.rules), list(documents.onsales), list(documents.pools)) == (
        ["web"],
        ["gala"],
        ["shop"],
    )
    again = load_documents([tmp_path / "a.yaml", tmp_path / "below", tmp_path / "a.yaml"])
    assert again.rules == documents.rules


def test_files_that_cannot_be_read_are_problems_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(DocumentErrors) as refused:
        load_documents(
            [tmp_path / "absent.yaml", tmp_path / "empty", tmp_path / "latin.yaml", tmp_path / "large.yaml"]
        )
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in refused.value.problems] == [
        "absent.yaml: cannot be read: No such file or directory",
        "empty: holds no *.yaml or *.yml file",
        "large.yaml: is larger than 1048576 bytes",
        "latin.yaml:2:1: is not UTF-8",
    ]


def test_a_problem_keeps_its_parts() -> None:
    with pytest.raises(DocumentErrors) as refused:
        load_text(RULE.replace("onsale: gala", "onsale: gala, sales: 1"), "x.yaml")
    (problem,) = refused.value.problems
    assert (problem.file, problem.line, problem.column) == ("x.yaml", 14, 29)
    assert (problem.path, problem.suggestion) == ("spec.admission.sales", "onsale")
