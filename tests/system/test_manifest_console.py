"""The component that switches the operators' console on: valid, restricted, and as the pages say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import typer.main

from tests.system.manifests import FOLDER, ROOT, built, of_kind, read_all
from tests.system.test_manifests import violations, with_component
from tidegate.cli import app


def test_the_console_is_switched_on_by_its_component(tmp_path: Path) -> None:
    overlay = os.path.relpath(FOLDER / "overlays" / "dev", tmp_path.resolve())
    objects, before = with_component("console", tmp_path, f"resources: [{overlay}]\n"), built("dev")
    names = {
        (found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in before
    }
    for found in objects:
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
    added = {
        (found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in objects
    } - names
    assert added == {
        *((kind, namespace, "tidegate-scaler-console") for kind in ("Role", "RoleBinding") for namespace in ("tidegate", "shop")),
        ("NetworkPolicy", "tidegate", "tidegate-console"),
    }  # fmt: skip
    pod = of_kind(objects, "Deployment")["tidegate", "tidegate-scaler"]["spec"]["template"]["spec"]
    assert violations(pod) == []
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"rules", "console"} <= set(mounts), "what the base mounts stays"
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    assert "TIDEGATE_STORE" in variables
    root: Any = typer.main.get_command(app)
    known = {option.envvar for option in root.commands["scaler"].commands["run"].params}
    given = {name: value for name, value in variables.items() if "CONSOLE" in name or "ROOM_ADMIN" in name}
    assert len(given) == 3
    assert set(given) <= known
    files = [Path(value) for value in given.values() if value.startswith("/")]
    assert {str(file.parent) for file in files} == {mounts["console"]}
    (volume,) = (each for each in pod["volumes"] if each["name"] == "console")
    page = (ROOT / "docs" / "how-to" / "deploy-on-kubernetes.md").read_text()
    made = f"secret generic {volume['secret']['secretName']} " + " ".join(
        f"--from-file={file.name}" for file in files
    )
    assert made in page
    service, _, rest = given["TIDEGATE_ROOM_ADMIN"].removeprefix("http://").partition(".")
    (port,) = of_kind(objects, "Service")["tidegate", service]["spec"]["ports"]
    assert rest == f"tidegate.svc:{port['port']}"
    roles = of_kind(objects, "Role")
    rules = roles["tidegate", "tidegate-scaler-console"]["rules"]
    assert roles["shop", "tidegate-scaler-console"]["rules"] == rules
    on_page = (ROOT / "docs" / "how-to" / "console.md").read_text().partition("## On Kubernetes")[2]
    (written,) = read_all(on_page.partition("```yaml\n")[2].partition("```")[0])
    assert written["rules"] == rules
