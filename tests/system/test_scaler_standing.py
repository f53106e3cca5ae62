"""What `tidegate scaler status` says of a scaler's standing among several."""

import io
from typing import Any

import pytest
from rich.console import Console

from tidegate.scaler_status import ScalerStatus, render_table


def shown(leadership: dict[str, Any]) -> str:
    document = {"now": 1_800_000_000.0, "rules": {}, "leadership": leadership}
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render_table(ScalerStatus("http://127.0.0.1:9190", document)))
    return console.export_text().strip()


@pytest.mark.parametrize(
    ("leading", "elected", "holder", "text"),
    [
        pytest.param(True, True, "one", "leads, in term 3", id="leads"),
        pytest.param(False, True, "other", "stands by: other leads", id="stands by"),
        pytest.param(False, True, "", "stands by: nobody is known to lead", id="nobody leads"),
        pytest.param(
            False, True, "one", "does not act: it could not renew its lease in time", id="cannot renew"
        ),
        pytest.param(True, False, "one", "no rule is in force", id="is alone"),
    ],
)
def test_the_table_says_whether_a_scaler_leads(leading: bool, elected: bool, holder: str, text: str) -> None:
    leadership = {"leading": leading, "elected": elected, "identity": "one", "holder": holder, "term": 3}
    assert shown(leadership) == text


def test_a_scaler_that_says_nothing_of_its_standing_is_shown_all_the_same() -> None:
    assert shown({}) == "no rule is in force"
