"""The folders keep their promise: `queue/` at the root never shadows the standard library."""

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
