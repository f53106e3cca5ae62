"""Everything before the first process starts: options, ports, examples, documents."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rulebook import load_documents
from tidegate.demo.documents import DemoDocuments, load_demo_documents, write_document
from tidegate.demo.errors import DemoError
from tidegate.demo.examples import find_examples
from tidegate.demo.options import DemoOptions
from tidegate.demo.ports import free_port
from tidegate.demo.scenarios import RUSH, find_scenario


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"buyers": 0}, "--buyers must be from 1 to 100000, not 0"),
        ({"buyers": 100_001}, "--buyers must be from 1 to 100000, not 100001"),
        ({"seconds": 4.9}, "--seconds must be 5 or more, not 4.9"),
        ({"seconds": float("nan")}, "--seconds must be 5 or more, not nan"),
        (
            {"scenario": RUSH, "keep_data": True},
            "--keep-data goes with --scenario store-restart; in rush no store is killed",
        ),
        ({"report": Path(__file__)}, f"--report must name a folder, and {__file__} is a file"),
    ],
    ids=["no buyers", "too many buyers", "too short", "not a number", "no store is killed", "a file"],
)
def test_an_option_out_of_range_is_told_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(DemoError) as caught:
        DemoOptions(**values)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_the_bounds_themselves_are_allowed() -> None:
    assert DemoOptions(buyers=1, seconds=5.0).buyers == 1
    assert DemoOptions(buyers=100_000).buyers == 100_000


def test_a_crowd_takes_the_time_of_its_scenario_unless_told_otherwise() -> None:
    assert DemoOptions(scenario=RUSH).arrive_within_s == RUSH.seconds
    assert DemoOptions(scenario=RUSH, seconds=7.0).arrive_within_s == 7.0
    assert DemoOptions().arrive_within_s == 45.0


def test_a_scenario_that_is_none_is_told_with_those_there_are() -> None:
    assert find_scenario("rush") is RUSH
    message = "--scenario must be one of festival, rush, replica-loss, slow-shop, store-restart, not flood"
    with pytest.raises(DemoError) as caught:
        find_scenario("flood")
    assert str(caught.value) == message


def test_a_slow_shop_is_slow_and_its_rule_knows_nothing_of_it(documents: DemoDocuments) -> None:
    put = documents.with_slowdown(2.0)
    assert put.pool.spec.command[-2:] == ("--slowdown", "2")
    assert put.rule == documents.rule
    assert documents.with_slowdown(1.0) == documents


def test_a_busy_port_is_gone_around() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert port < free_port(port) <= port + 100


def test_where_all_ports_are_taken_that_is_told() -> None:
    with pytest.raises(DemoError, match="no free port from 65536 to 65635"):
        free_port(65536)


def test_the_examples_are_found_in_a_source_checkout() -> None:
    assert (find_examples("demo") / "onsale.yaml").is_file()


def test_examples_that_are_nowhere_are_told() -> None:
    with pytest.raises(DemoError, match=r"'nothing' are neither in .* nor in .*; is the installation whole"):
        find_examples("nothing")


@pytest.fixture
def documents() -> DemoDocuments:
    return load_demo_documents(find_examples("demo"))


def test_times_addresses_and_folders_are_put_in_force(documents: DemoDocuments, tmp_path: Path) -> None:
    opens = 1_800_000_000.5
    put = documents.with_times(opens - 12, opens, opens + 3600).with_shop("http://127.0.0.1:8091/")
    put = put.with_folders(tmp_path / "served", tmp_path / "endpoints")
    for document in (put.onsale, put.rule, put.pool):
        write_document(document, tmp_path / "effective")
    written = load_demo_documents(tmp_path / "effective")
    assert written == put
    assert written.onsale.spec.opens == datetime.fromtimestamp(opens, UTC)
    assert written.onsale.spec.shop == "http://127.0.0.1:8091/"
    assert written.pool.spec.command[-2:] == ("--log", str(tmp_path / "served"))
    assert written.pool.spec.endpoints == str(tmp_path / "endpoints")


def test_all_else_stays_as_the_example_has_it(documents: DemoDocuments, tmp_path: Path) -> None:
    put = documents.with_times(0.0, 1.0, 2.0)
    assert put.onsale.spec.admission == documents.onsale.spec.admission
    assert (put.rule, put.pool) == (documents.rule, documents.pool)


def test_a_folder_without_one_document_of_each_kind_is_refused(
    documents: DemoDocuments, tmp_path: Path
) -> None:
    write_document(documents.onsale, tmp_path)
    with pytest.raises(DemoError, match="one Onsale, one ScalingRule and one ProcessPool, not 1, 0, 0"):
        load_demo_documents(tmp_path)


def test_the_examples_are_documents_without_a_problem() -> None:
    assert load_documents(find_examples("demo")).onsales
