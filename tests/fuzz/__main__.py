"""Fuzzes one target after another with atheris, from the corpus on: `python -m tests.fuzz --minutes 10 [TARGET ...]`.

What breaks a target is left in `out/fuzz/`, and the exit status is 1. With `--keep`, the shortest inputs that reach all that was
reached become the corpus (`choosing`). Each target has a process of its own, as the fuzzer never returns.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from tests.fuzz.choosing import choose

OUT = Path("out/fuzz")
_PACKAGES = ["rulebook", "waitingroom", "autoscaler", "joserfc"]
_LARGEST = 2048


def main() -> int:
    if sys.argv[1:2] == ["--one"]:
        _fuzz(sys.argv[2], sys.argv[3:])
    from tests.fuzz.targets import CORPUS, TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, shared by the targets")
    parser.add_argument("--keep", action="store_true", help="make the corpus anew of what was found")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {min(unknown)}; there are {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    OUT.mkdir(parents=True, exist_ok=True)
    seconds = options.minutes * 60 / len(names)
    broken = [name for name in names if not _run(name, CORPUS / name, seconds, keep=options.keep)]
    for name in broken:
        print(f"broken: {name}, see {OUT}/{name}-*", file=sys.stderr)
    return 1 if broken else 0


def _run(name: str, kept: Path, seconds: float, *, keep: bool) -> bool:
    from tests.fuzz.seeds import SEEDS

    seeds = SEEDS[name]
    command = [sys.executable, "-m", "tests.fuzz", "--one", name]
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tidegate-fuzz-") as found:
        for number, seed in enumerate(seeds):
            Path(found, f"seed-{number}").write_bytes(seed)
        limits = [f"-max_total_time={max(1, int(seconds))}", f"-max_len={_LARGEST}", "-timeout=10"]
        told = [f"-artifact_prefix={OUT}/{name}-", "-print_final_stats=1", "-verbosity=1"]
        print(f"== {name}: {seconds:.0f} s", flush=True)
        done = subprocess.run([*command, *limits, *told, found, str(kept)], check=False)
        if keep:
            _keep(kept, Path(found))
    return done.returncode == 0


def _keep(kept: Path, found: Path) -> None:
    """Make the corpus of a target anew of what it held and what was found."""
    from tests.fuzz.targets import TARGETS

    inputs = [path.read_bytes() for folder in (kept, found) for path in folder.iterdir()]
    chosen = choose(inputs, TARGETS[kept.name])
    for path in kept.iterdir():
        path.unlink()
    for data in chosen:
        (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _fuzz(name: str, arguments: list[str]) -> NoReturn:
    import atheris

    # Only what is imported here is watched for what it reaches.
    with atheris.instrument_imports(include=_PACKAGES):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([f"fuzz-{name}", *arguments], TARGETS[name])
    atheris.Fuzz()
    raise SystemExit  # the fuzzer ends the process itself


if __name__ == "__main__":
    sys.exit(main())
