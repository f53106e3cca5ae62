"""The reference pages are what the code declares, and leave nothing out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from autoscaler.scaler import Scaler
from autoscaler.server import make_app
from tidegate.reference.__main__ import main
from tidegate.reference.commands import commands
from tidegate.reference.endpoints import SCALER_ROUTES
from tidegate.reference.markdown import anchor
from waitingroom.web.routetable import ROUTES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def copied(folder: Path) -> Path:
    """Make a copy of all that is made from the code, and of the examples which are shown."""
    for part in ("docs/reference", "rules/schema", "rules/examples"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "docs" / "metrics.md", folder / "docs" / "metrics.md")
    return folder


def test_what_is_made_from_the_code_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(ROOT)]) == 0, capsys.readouterr().out


def test_a_page_that_is_out_of_date_is_named_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copied(tmp_path)
    (root / "docs" / "reference" / "rules.md").write_text("# Rules\n")
    (root / "rules" / "schema" / "onsale.json").unlink()
    assert main(["--check", str(root)]) == 1
    named = capsys.readouterr().out
    assert "docs/reference/rules.md" in named
    assert "rules/schema/onsale.json" in named
    assert main([str(root)]) == 0
    assert main(["--check", str(root)]) == 0
    assert (root / "docs" / "reference" / "rules.md").read_text() == (REFERENCE / "rules.md").read_text()


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "is not the repository" in capsys.readouterr().err


def test_every_command_and_flag_is_on_the_page() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    for command in commands():
        section = page.partition(f"\n## {command.name}\n")[2].partition("\n## ")[0]
        assert command.help in section
        for parameter in command.parameters:
            shown = parameter.metavar or parameter.name.upper()
            for name in parameter.opts if parameter.param_type_name == "option" else [shown]:
                assert f"`{name}`" in section, (command.name, name)


def test_every_variable_which_the_sources_name_is_on_the_page() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    sources = [
        *(
            file
            for folder in ("deploy", "queue", "scaler", "rules")
            for file in (ROOT / folder).rglob("*.py")
        ),
        ROOT / "deploy" / "docker" / "Dockerfile",
    ]
    named = {
        name
        for file in sources
        for name in re.findall(r"(?<![A-Z_])TIDEGATE_[A-Z][A-Z_]*[A-Z]\b", file.read_text())
    }
    assert "TIDEGATE_STORE" in named
    assert sorted(name for name in named if f"`{name}`" not in page) == []


def test_every_route_of_the_room_is_on_the_page() -> None:
    page = (REFERENCE / "http.md").read_text()
    assert [
        f"{route.method} {route.path}" for route in ROUTES if f"### {route.method} {route.path}\n" not in page
    ] == []


def test_every_route_of_the_scaler_is_on_the_page() -> None:
    @asynccontextmanager
    async def never() -> AsyncIterator[Scaler]:
        raise AssertionError("nothing is served here")
        yield

    app = make_app(never, CollectorRegistry())
    served = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert served == {route for route, _ in SCALER_ROUTES}


def test_every_field_of_an_answer_to_buyers_says_what_it_means() -> None:
    page = (REFERENCE / "http.md").read_text()
    for document in ("Status", "Joined", "PublicState", "EtaReason", "JoinBody", "MoveBody"):
        section = page.partition(f"\n### {document}\n")[2].partition("\n### ")[0]
        rows = re.findall(r"^\| `(\w+)`.*\| (.*) \|$", section, flags=re.MULTILINE)
        assert rows
        assert [field for field, meaning in rows if not meaning and field != "onsale"] == []


def test_anchors_are_those_of_github() -> None:
    assert anchor("spec.signals[].prometheus") == "specsignalsprometheus"
    assert anchor("POST /{onsale}/join") == "post-onsalejoin"
    assert anchor("What [the page](x.md) says: `a_b`") == "what-the-page-says-a_b"


def test_the_make_target_runs_the_module() -> None:
    target = re.search(r"^docs: .*\n\t(.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert target is not None
    assert target[1].endswith("-m tidegate.reference")
    usage = subprocess.run(
        [sys.executable, "-m", "tidegate.reference", "--nonsense"], capture_output=True, text=True, timeout=60
    )
    assert usage.returncode == 2
    assert "usage" in usage.stderr
