"""Metrics pages are parsed as what they say they are, and only as far as somebody asked."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder

from autoscaler.sources.pages import OPENMETRICS, parse_page

PAGE = """\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/"} 12
http_requests_total{path="/",code="500"} 3
# HELP other Something {odd}.
# TYPE other gauge
other{broken
busy 7
"""


def test_series_come_by_name_with_their_labels_sorted() -> None:
    series = parse_page(PAGE, "text/plain", ["http_requests_total", "busy"])
    assert series == {
        "http_requests_total": {(("code", "200"), ("path", "/")): 12, (("code", "500"), ("path", "/")): 3},
        "busy": {(): 7},
    }


def test_lines_of_other_metrics_are_not_even_parsed() -> None:
    assert set(parse_page(PAGE, "text/plain", ["busy"])) == {"busy"}
    with pytest.raises(ValueError, match="broken"):
        parse_page(PAGE, "text/plain", ["other"])


def test_openmetrics_counters_keep_their_suffixes() -> None:
    page = "# TYPE jobs counter\njobs_total 5\njobs_created 1.5\n# TYPE busy gauge\nbusy 7\n# EOF\n"
    assert parse_page(page, OPENMETRICS, ["jobs"]) == {"jobs_total": {(): 5}, "jobs_created": {(): 1.5}}


RICH = """\
# TYPE took_seconds histogram
# UNIT took_seconds seconds
# HELP took_seconds Time taken, "so to speak".
took_seconds_bucket{path="/a # b",le="0.1"} 8 # {trace_id="ab # cd"} 0.05 1700000000.123
took_seconds_bucket{path="/a # b",le="+Inf"} 9 1700000000.5 # {} 3
took_seconds_count{path="/a # b"} 9
took_seconds_sum{path="/a # b"} 4.5
took_seconds_created{path="/a # b"} 1699999999.5
# TYPE odd_unit gauge
# UNIT odd_unit seconds
odd_unit{note="a \\"quoted\\" } brace"} 3
# TYPE native histogram
native {count:12,sum:100.0,schema:3,zero_threshold:0.0,zero_count:0}
# TYPE hits counter
hits_total 4 # {trace_id="x"} 1
# EOF
"""


def test_exemplars_units_and_times_of_openmetrics_change_no_number() -> None:
    path = ("path", "/a # b")
    assert parse_page(RICH, OPENMETRICS, ["took_seconds_bucket"]) == {
        "took_seconds_bucket": {(("le", "0.1"), path): 8, (("le", "+Inf"), path): 9}
    }
    assert parse_page(RICH, OPENMETRICS, ["hits"]) == {"hits_total": {(): 4}}
    assert parse_page(RICH, OPENMETRICS, ["odd_unit"]) == {"odd_unit": {(("note", 'a "quoted" } brace'),): 3}}


def test_a_native_histogram_is_passed_over() -> None:
    assert parse_page(RICH, OPENMETRICS, ["native"]) == {}


def test_what_a_client_library_shows_is_read_in_either_format() -> None:
    registry = CollectorRegistry()
    Counter("hits", "Hits.", registry=registry).inc(3, exemplar={"trace_id": "a"})
    Histogram("took_seconds", "Time.", unit="seconds", buckets=[1], registry=registry).observe(
        0.5, exemplar={"trace_id": "b"}
    )
    for accept in ("text/plain", f"{OPENMETRICS};version=1.0.0"):
        encode, content_type = choose_encoder(accept)
        kind = content_type.partition(";")[0]
        series = parse_page(encode(registry).decode(), kind, ["hits_total", "took_seconds_bucket"])
        assert series["hits_total"] == {(): 3}
        assert series["took_seconds_bucket"] == {(("le", "1.0"),): 1, (("le", "+Inf"),): 1}


def test_openmetrics_cut_short_is_no_page() -> None:
    with pytest.raises(ValueError, match="EOF"):
        parse_page("# TYPE busy gauge\nbusy 7\n", OPENMETRICS, ["busy"])


@pytest.mark.parametrize("text", ["<html><body>Sign in</body></html>", "nothing here {"])
def test_what_is_no_metrics_page_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"metric|convert"):
        parse_page(text, "text/html", ["busy"])


def test_an_empty_page_shows_nothing() -> None:
    assert parse_page("", "text/plain", ["busy"]) == {}
