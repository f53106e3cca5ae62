"""What the folders and the files at the root promise: `queue/` never shadows the standard library, and CI runs all tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_import_queue_at_the_root_gives_the_standard_library() -> None:
    code = "import queue; queue.SimpleQueue; print(queue.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).is_relative_to(ROOT / "queue")


@pytest.mark.parametrize("folder", ["queue", "scaler", "rules", "deploy"])
def test_the_folders_are_no_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_tests_folder_shadows_the_standard_library() -> None:
    assert not (ROOT / "tests" / "queue").exists()


def test_no_tracked_file_names_a_registry() -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    assert "://" not in constraints
    assert "--index-url" not in constraints
    assert constraints.count("--hash=sha256:") > 100


def test_each_target_that_tests_is_part_of_a_ci_run() -> None:
    targets = re.findall(r"^(test[a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    run = re.findall(
        r"^\s*(?:timeout \w+ )?make (\S+)", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE
    )
    assert "test-scenarios" in targets
    assert set(targets) <= set(run)
