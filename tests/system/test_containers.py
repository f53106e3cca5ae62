"""Dockerfile and compose.yaml, as far as they can be checked without an engine: form, names, users, and what they need exists."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from tests.system.manifests import OVERLAYS, built, of_kind
from tests.tools import need
from tidegate.cli import app

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
INSTRUCTIONS = {
    *("ARG", "COPY", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "FROM"),
    *("HEALTHCHECK", "LABEL", "RUN", "USER", "VOLUME", "WORKDIR"),
}
SERVICE_KEYS = {
    *("build", "cap_drop", "command", "depends_on", "environment", "extra_hosts", "healthcheck", "image"),
    *("networks", "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs"),
    *("user", "volumes"),
}


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def compose(file: str = "compose.yaml") -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((DOCKER / file).read_text())
    return found


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def test_the_dockerfile_has_two_stages_and_only_known_instructions() -> None:
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert [value for name, value in found if name == "FROM"] == ["${BASE} AS build", "${BASE}"]
    assert found[0][0] == "ARG"


def test_every_image_that_is_not_ours_is_pinned_by_digest() -> None:
    images = [value.removeprefix("BASE=") for name, value in instructions() if name == "ARG"]
    images += [service["image"] for service in compose()["services"].values()]
    images += [
        container["image"]
        for overlay in OVERLAYS
        for workload in of_kind(built(overlay), "Deployment").values()
        for container in workload["spec"]["template"]["spec"]["containers"]
    ]
    foreign = {
        image for image in images if not re.fullmatch(r"tidegate|registry\.example\.org/tidegate:.+", image)
    }
    assert {re.sub(r":.*", "", image) for image in foreign} == {
        *("python", "valkey/valkey", "prom/prometheus", "grafana/grafana"),
    }
    for image in foreign:
        assert re.fullmatch(r"[a-z/]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image
    assert len(foreign) == 4, "an image is named by one digest everywhere"
    assert "syntax=" not in (DOCKER / "Dockerfile").read_text(), "a frontend would be fetched by its tag"


def test_the_image_runs_as_nobody_in_particular_without_a_shell() -> None:
    stage = dict(last_stage())
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", stage["USER"])
    assert json.loads(stage["ENTRYPOINT"]) == ["tidegate"]
    assert json.loads(stage["CMD"]) == ["--help"]
    options, _, command = stage["HEALTHCHECK"].partition("CMD ")
    assert "--timeout" in options
    assert json.loads(command)[:2] == ["python", "-c"]
    compile(json.loads(command)[2], "healthcheck", "exec")


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    sent = {
        line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for name, value in instructions():
        if name == "COPY" and not value.startswith("--from"):
            for source in value.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in sent, source


@pytest.mark.parametrize(
    ("name", "package"), [("requirements.txt", "tidegate"), ("build-requirements.txt", "hatchling")]
)
def test_the_images_packages_are_picked_from_the_pins(name: str, package: str) -> None:
    command = [sys.executable, str(DOCKER / "requirements.py"), package]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (DOCKER / name).read_text() == made.stdout, "run `make image-requirements`"
    pinned = (ROOT / "constraints.txt").read_text()
    for block in re.split(r"\n(?=\S)", made.stdout.strip())[1:]:
        assert block in pinned
        assert "--hash=sha256:" in block
    assert not re.search(r"^(pytest|mypy|ruff|playwright|envoy)", made.stdout, re.MULTILINE)


def test_compose_has_only_known_keys_and_what_it_names_exists() -> None:
    found = compose()
    assert set(found) == {"name", "x-hardened", "services", "volumes", "networks"}
    for name, service in found["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service["networks"]) <= set(found["networks"])
        assert set(service.get("depends_on", {})) <= set(found["services"])
        for volume in service["volumes"]:
            source = volume.rsplit(":/", 1)[0]
            assert source.startswith(("./", "../", "${")) or source in found["volumes"], volume
            assert not source.startswith("../") or (DOCKER / source).exists(), volume
    assert "ports" not in found["services"]["valkey"]
    assert found["services"]["valkey"]["networks"] == ["inside"]
    build = found["services"]["queue"]["build"]
    assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"


def test_every_service_is_hardened_and_published_on_loopback_only() -> None:
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_commands_and_variables_are_those_of_the_command_line() -> None:
    root: Any = typer.main.get_command(app)
    page = (ROOT / "docs" / "how-to" / "deploy-with-compose.md").read_text()
    for name in ("queue", "scaler"):
        service = compose()["services"][name]
        group, command, *arguments = service["command"]
        options = root.commands[group].commands[command].params
        flags = {flag for option in options for flag in option.opts}
        variables = {option.envvar for option in options if isinstance(option.envvar, str)}
        assert {argument for argument in arguments if argument.startswith("--")} <= flags
        assert set(service["environment"]) - {"TIDEGATE_HEALTH_PORT"} <= variables
        assert {option.envvar for option in options if option.required} <= set(service["environment"])
    for variable in re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()):
        assert f"`{variable}`" in page


def defaults(text: str) -> str:
    """Return what Compose takes where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_the_room_takes_the_word_of_the_proxy_on_this_host_and_nobody_elses() -> None:
    found = compose()
    (pool,) = found["networks"]["outside"]["ipam"]["config"]
    assert set(pool) == {"subnet"}, "the gateway is the first address, unless it is named"
    subnet = ipaddress.ip_network(defaults(pool["subnet"]))
    queue = found["services"]["queue"]
    assert defaults(queue["environment"]["TIDEGATE_TRUSTED_PROXY"]) == str(next(subnet.hosts()))
    assert "outside" in queue["networks"]
    page = (ROOT / "docs" / "how-to" / "deploy-with-compose.md").read_text()
    assert f"`{subnet}`" in page
    assert f"gateway `{next(subnet.hosts())}`" in page


def test_operators_can_act_without_the_console() -> None:
    queue = compose()["services"]["queue"]
    tokens = Path(queue["environment"]["TIDEGATE_ADMIN_TOKENS"])
    assert f"${{TIDEGATE_ADMIN:-./admin}}:{tokens.parent}:ro" in queue["volumes"]
    assert "127.0.0.1:8080:8080" in queue["ports"], "where `tidegate onsale` looks by itself"


def test_the_console_is_switched_on_by_a_file_of_its_own() -> None:
    root: Any = typer.main.get_command(app)
    page = (ROOT / "docs" / "how-to" / "deploy-with-compose.md").read_text()
    found = compose("compose.console.yaml")["services"]
    services = compose()["services"]
    for name, service in found.items():
        group, command, *_ = services[name]["command"]
        known = {option.envvar for option in root.commands[group].commands[command].params}
        assert set(service["environment"]) <= known
        (volume,) = service["volumes"]
        source, inside, mode = volume.rsplit(":", 2)
        assert (source, mode) == ("${TIDEGATE_ADMIN:-./admin}", "ro")
        files = {value for value in service["environment"].values() if value.startswith("/")}
        assert {str(Path(file).parent) for file in files} == {inside}
        assert all(f"admin/{Path(file).name}" in page for file in files)
    room = found["scaler"]["environment"]["TIDEGATE_ROOM_ADMIN"]
    assert room == f"http://queue:{services['queue']['environment']['TIDEGATE_LISTEN'].rpartition(':')[2]}"
    assert set(services["queue"]["networks"]) & set(services["scaler"]["networks"])
    tokens = found["scaler"]["environment"]["TIDEGATE_CONSOLE_TOKENS"]
    assert tokens == services["queue"]["environment"]["TIDEGATE_ADMIN_TOKENS"], "one file says who may act"
    assert "-f compose.yaml -f compose.console.yaml --profile scaler up" in page


def test_the_store_is_set_as_the_page_on_stores_says() -> None:
    page = (ROOT / "docs" / "how-to" / "store.md").read_text()
    section = page.partition("## What to set on the server")[2].partition("```")[2].partition("```")[0]
    wanted = [line.split() for line in section.strip().splitlines() if not line.startswith("#")]
    assert len(wanted) == 3
    command = compose()["services"]["valkey"]["command"]
    for name, value in wanted:
        assert command[command.index(f"--{name}") + 1] == value
    assert "valkey:/data" in compose()["services"]["valkey"]["volumes"]
    assert command[command.index("--dir") + 1] == "/data"


def mounts(service: str) -> dict[str, Path]:
    """Return the folders of this repository that a service sees, by where it sees them."""
    volumes = [volume.split(":") for volume in compose()["services"][service]["volumes"]]
    return {inside: (DOCKER / source).resolve() for source, inside, *_ in volumes if source.startswith("..")}


def test_grafana_finds_its_data_source_and_its_dashboards() -> None:
    services, seen = compose()["services"], mounts("grafana")
    provisioning = seen["/etc/grafana/provisioning"]
    (source,) = YAML(typ="safe").load((provisioning / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    name, _, port = source["url"].removeprefix("http://").partition(":")
    assert any(published.endswith(f":{port}") for published in services[name]["ports"])
    assert set(services[name]["networks"]) & set(services["grafana"]["networks"])
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    prometheus = YAML(typ="safe").load(
        (mounts("prometheus")["/etc/prometheus"] / "prometheus.yaml").read_text()
    )
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = YAML(typ="safe").load((provisioning / "dashboards" / "tidegate.yaml").read_text())[
        "providers"
    ]
    folder = seen[provider["options"]["path"]]
    found = {path.name for path in folder.iterdir()}
    assert found == {"onsale.json", "scaling.json", "health.json", "runbook.json"}
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (seen[str(home.parent)] / home.name).exists()
    for file in provisioning.rglob("*.yaml"):
        assert YAML(typ="safe").load(file.read_text())["apiVersion"] == 1


def test_no_two_services_are_published_on_one_port_nor_on_the_shops() -> None:
    services = compose()["services"]
    ports = [port.split(":")[1] for service in services.values() for port in service.get("ports", ())]
    upstream = services["queue"]["command"][-1]
    shop = re.search(r":(\d+)\}", upstream)
    assert shop is not None
    assert len({*ports, shop[1]}) == len(ports) + 1


def test_prometheus_reads_its_configuration() -> None:
    path = ROOT / "deploy" / "prometheus" / "prometheus.yaml"
    result = subprocess.run([need("promtool"), "check", "config", str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (queue, scaler) = YAML(typ="safe").load(path.read_text())["scrape_configs"]
    services = compose()["services"]
    for job, port in ((queue, "8080"), (scaler, "9190")):
        ((target,),) = (each["targets"] for each in job["static_configs"])
        service, _, asked = target.partition(":")
        assert asked == port
        assert any(published.endswith(f":{port}") for published in services[service]["ports"])


def test_prometheus_takes_the_lines_that_the_page_adds_for_an_alertmanager(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "deploy-with-compose.md").read_text()
    lines = page[page.index("\nalerting:\n") + 1 :].partition("```")[0]
    folder = ROOT / "deploy" / "prometheus"
    (tmp_path / "prometheus.yaml").write_text((folder / "prometheus.yaml").read_text() + lines)
    for name in ("recording.yaml", "alerts.yaml"):
        (tmp_path / name).write_text((folder / name).read_text())
    command = [need("promtool"), "check", "config", str(tmp_path / "prometheus.yaml")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
