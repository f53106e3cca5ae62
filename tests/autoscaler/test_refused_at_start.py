"""What cannot be run is refused at the start, in one line that says what and where; nothing has been started by then."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.errors import AutoscalerError, ConfigurationError, DocumentsRefused
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.service import run_scaler
from autoscaler.settings import ScalerSettings, parse_address
from tests.autoscaler.running import POOL, RULE, write_documents


async def refusal(settings: ScalerSettings) -> str:
    with pytest.raises(AutoscalerError) as caught:
        await run_scaler(settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


PROMETHEUS = RULE.replace("exposition: {gauge: busy, aggregate: max}", "prometheus: {query: sum(busy)}")
DEPLOYMENT = RULE.replace("tidegate.dev/v1, kind: ProcessPool", "apps/v1, kind: Deployment, namespace: shop")


@pytest.mark.parametrize(
    ("rule", "pool", "message"),
    [
        pytest.param(
            PROMETHEUS,
            POOL,
            "rule web, signal busy: is read from Prometheus, and no server is given; add --prometheus http://HOST:9090, "
            "or read it by `exposition` from the replicas' own /metrics pages",
            id="a source that is not there",
        ),
        pytest.param(
            DEPLOYMENT,
            POOL,
            "rule web: Deployment shop/shop: no Kubernetes cluster is known: give --kubeconfig FILE, set KUBECONFIG, "
            "or run in a pod with a service account",
            id="a target in a cluster that nobody names",
        ),
        pytest.param(
            RULE.replace("name: shop", "name: shoe"),
            POOL,
            "rule web: no ProcessPool is named shoe; there are shop",
            id="an unknown pool",
        ),
        pytest.param(RULE, "", "rule web: no ProcessPool is named shop; there is none at all", id="no pool"),
    ],
)
async def test_a_rule_that_cannot_be_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, pool: str, message: str
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert await refusal(write_documents(tmp_path, rule=rule, pool=pool)) == message


async def test_a_pool_with_too_few_ports_is_refused(tmp_path: Path) -> None:
    message = await refusal(write_documents(tmp_path, ports=3))
    assert message.startswith("rule web: ProcessPool shop has 3 ports (")
    assert message.endswith("), too few for replicas.max 4")


async def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    (tmp_path / "rules" / "rule.yaml").unlink()
    assert await refusal(settings) == f"there is no ScalingRule in {tmp_path / 'rules'}"


async def test_rules_which_cannot_be_read_are_refused(tmp_path: Path) -> None:
    settings = ScalerSettings(rules=(tmp_path / "missing.yaml",))
    assert (await refusal(settings)).startswith(f"{tmp_path / 'missing.yaml'}: cannot be read: ")


async def test_of_many_problems_the_first_is_told_and_all_are_kept(tmp_path: Path) -> None:
    broken = RULE.replace("perReplica: 20", "perReplicas: 20").replace("min: 1", "min: 9")
    settings = write_documents(tmp_path, rule=broken)
    message = await refusal(settings)
    assert message.startswith(f"{tmp_path / 'rules' / 'rule.yaml'}:")
    with pytest.raises(DocumentsRefused) as caught:
        await run_scaler(settings)
    assert message.endswith(f"(and {len(caught.value.problems) - 1} more)")


async def test_a_secret_that_is_not_there_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    access = PrometheusAccess(url="http://127.0.0.1:9090", token_file=tmp_path / "token")
    message = await refusal(replace(write_documents(tmp_path, rule=PROMETHEUS), prometheus=access))
    assert message == f"--prometheus http://127.0.0.1:9090: {tmp_path / 'token'}: No such file or directory"
    assert not (tmp_path / "logs").exists()


async def test_a_busy_port_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        message = await refusal(replace(write_documents(tmp_path), port=port))
    assert (
        message
        == f"cannot listen on 127.0.0.1:{port}: Address already in use; --listen HOST:PORT takes another"
    )
    assert not (tmp_path / "logs").exists()


async def test_a_store_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    message = await refusal(replace(write_documents(tmp_path), store_url="http://user:hush@127.0.0.1"))
    assert message.startswith("store '(no address)': an address begins with redis://, rediss://, unix://, ")
    assert "hush" not in message


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:9190", ("127.0.0.1", 9190)), ("localhost:0", ("localhost", 0)), ("[::1]:80", ("::1", 80))],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "9190", ":9190", "host:", "host:http", "host:65536", "host:-1", "[]:80"]
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not an address like 127\.0\.0\.1:9190"):
        parse_address(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": ()}, "no rules given: name at least one file or folder"),
        ({"port": 70000}, "port 70000 is not between 0 and 65535"),
        ({"kubernetes_qps": 0.0}, "--kubernetes-qps must be above 0, found 0"),
        ({"kubernetes_burst": 0}, "--kubernetes-burst must be 1 or more, found 0"),
        (
            {"memory_name": "A_b"},
            "--memory-name must be lower-case letters, digits, '-' and '.', as Kubernetes has them, found 'A_b'",
        ),
        ({"lease_s": 0.0}, "--lease-duration must be above 0 s, found 0"),
    ],
)
def test_settings_which_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        replace(ScalerSettings(rules=(Path("rules"),)), **changes)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_an_admission_target_outlives_a_takeover() -> None:
    assert ScalerSettings(rules=(Path("rules"),)).validity_s(15) == 45
