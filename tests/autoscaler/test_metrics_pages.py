"""Metrics pages are parsed as what they say they are, and only as far as somebody asked."""

import pytest

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


def test_openmetrics_is_parsed_by_its_own_rules() -> None:
    page = "# TYPE jobs counter\njobs_total 5\njobs_created 1.5\n# TYPE busy gauge\nbusy 7\n# EOF\n"
    assert parse_page(page, OPENMETRICS, ["jobs"]) == {"jobs_total": {(): 5}, "jobs_created": {(): 1.5}}


def test_openmetrics_cut_short_is_no_page() -> None:
    with pytest.raises(ValueError, match="EOF"):
        parse_page("# TYPE busy gauge\nbusy 7\n", OPENMETRICS, ["busy"])


@pytest.mark.parametrize("text", ["<html><body>Sign in</body></html>", "nothing here {"])
def test_what_is_no_metrics_page_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"metric|convert"):
        parse_page(text, "text/html", ["busy"])


def test_an_empty_page_shows_nothing() -> None:
    assert parse_page("", "text/plain", ["busy"]) == {}
