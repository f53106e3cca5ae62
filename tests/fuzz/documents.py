"""Targets: what operators write, and what replicas show of themselves."""

import math

from autoscaler.sources.pages import OPENMETRICS, parse_page
from rulebook import DocumentErrors, load_text, units
from rulebook.errors import UnitError
from rulebook.storeaddress import check_closed, public_form, read_address
from rulebook.yamltree import parse_text

_PARSERS = (
    units.parse_rate,
    units.parse_duration,
    units.parse_percent,
    units.parse_quantity,
    units.parse_amount,
    units.parse_fraction,
)
_HEAD = "apiVersion: tidegate.dev/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n"


def yaml(data: bytes) -> None:
    """Any text is read, or refused as problems of this file."""
    text = data.decode("utf-8", "surrogateescape")
    nodes, problems = parse_text(text, "x.yaml")
    assert all(problem.file == "x.yaml" for problem in problems)
    for node in nodes:
        node.plain()
    indented = "\n".join(f"  {line}" for line in text.split("\n"))
    for whole in (text, *(_HEAD.format(kind=kind) + indented for kind in ("ScalingRule", "Onsale"))):
        try:
            load_text(whole, "x.yaml")
        except DocumentErrors as refused:
            assert refused.problems
            assert len(str(refused)) < 100_000


def exposition(data: bytes) -> None:
    """A page gives numbers of the metrics that were asked for, or is none."""
    text = data.decode("utf-8", "replace")
    for kind, whole in (("text/plain", text), (OPENMETRICS, text), (OPENMETRICS, f"{text}\n# EOF")):
        try:
            series = parse_page(whole, kind, {"a", "http_requests"})
        except ValueError:
            continue
        for samples in series.values():
            assert all(isinstance(value, int | float) for value in samples.values())


def quantities(data: bytes) -> None:
    """An amount is a finite number, and written out again it is the same."""
    text = data.decode("utf-8", "replace")
    for parse in _PARSERS:
        try:
            value = parse(text)
        except UnitError as refused:
            assert len(str(refused)) < 400
            continue
        assert math.isfinite(value)
        if parse is units.parse_rate:
            assert units.parse_rate(units.format_rate(value)) == value
        if parse is units.parse_duration:
            assert units.parse_duration(units.format_duration(value)) == value
        if parse is units.parse_amount:
            assert units.parse_amount(units.format_number(value)) == value


def address(data: bytes) -> None:
    """A store's address is understood or refused, and no message repeats its password."""
    text = data.decode("utf-8", "surrogateescape")
    for url in (text, f"redis://{text}", f"rediss+sentinel://u:s3cr3tpa55@{text}", f"redis+cluster://{text}"):
        shown = public_form(url)
        try:
            read = read_address(url)
            check_closed(read, allow_open=False)
        except ValueError as refused:
            assert "s3cr3tpa55" not in f"{refused}{shown}"
            continue
        assert "s3cr3tpa55" not in shown
        assert read.hosts or read.path
