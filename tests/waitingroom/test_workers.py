"""A worker that fails says why before it ends: its parent sees a status and nothing else."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from waitingroom.workers import run_workers

been_here = Path(sys.argv[1])

def work(number):
    if been_here.exists():
        return 2  # a mistake in the settings: no other is started
    been_here.touch()
    raise ValueError("a defect")

sys.exit(run_workers(1, work))
"""


def test_a_worker_that_fails_tells_the_reason_and_another_takes_its_place(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "been-here")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    told = done.stdout + done.stderr
    assert done.returncode == 2
    assert "worker_failed" in told
    assert "ValueError: a defect" in told
    assert "worker_ended" in told
