"""The objects of deploy/kubernetes, as kustomize builds them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.tools import need

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("dev", "prod")


def read_all(text: str) -> list[dict[str, Any]]:
    """Read the objects of a text, without empty ones."""
    return [document for document in YAML(typ="safe").load_all(text) if document]


@cache
def _built(overlay: str) -> str:
    command = [need("kubectl"), "kustomize", str(FOLDER / "overlays" / overlay)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def built(overlay: str) -> list[dict[str, Any]]:
    """Build an overlay."""
    return read_all(_built(overlay))


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects of a kind by namespace and name."""
    return {
        (found["metadata"].get("namespace", ""), found["metadata"]["name"]): found
        for found in objects
        if found["kind"] == kind
    }
