"""Nothing secret reaches a log: a real room and scaler are driven at debug level, well and badly, and every line is searched."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from rulebook.admintokens import Role, make_token
from rulebook.tokenfile import add_token
from tests.ports import free_ports
from tests.stores import TcpValkey
from tests.waitingroom.backoffice import TOKENS, token_file
from tests.waitingroom.shopkeys import Shop, presale

pytestmark = pytest.mark.slow

STORE_PASSWORD = "store/pass word#4711"
PROMETHEUS_PASSWORD = "prometheus-password-4712"
HEADER_SECRET = "tenant-secret-4713"
JSON = {"Accept": "application/json"}
WITHIN_S = 60.0
RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
  replicas: {min: 1, max: 4}
  interval: 500ms
  signals:
    - {name: load, prometheus: {query: up}, perReplica: 1}
    - {name: crowd, onsale: {name: cactus, drainWithin: 5m}, perReplica: 5/s}
  admission: {onsale: cactus, perReadyReplica: 5/s}
"""
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: test, user: {token: kubernetes-token-4714}}]
contexts: [{name: test, context: {cluster: test, user: test, namespace: shop}}]
"""


class Process:
    """One command at debug level, its log in a file."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log = folder / f"{name}.log"
        command = [
            sys.executable,
            "-m",
            "tidegate",
            *arguments,
            "--log-level",
            "debug",
            "--log-format",
            "json",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

    def until(self, met: Callable[[], object]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not met():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def events(self) -> set[str]:
        return {line["event"] for line in self.lines()}

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


def answers(url: str) -> int:
    try:
        return requests.get(url, headers=JSON, timeout=30).status_code
    except requests.RequestException:
        return 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
        yield Path(name)


def test_no_secret_is_in_any_line(folder: Path) -> None:
    shop, (room_port, gate_port, scaler_port, store_port) = Shop(), free_ports(4)
    room, gate = f"http://127.0.0.1:{room_port}", f"http://127.0.0.1:{gate_port}"
    sale = presale(admission={"rate": "100/s", "burst": 10}, protect=[{"path": "/seats"}], shop=gate)
    shop.write(folder)
    document = sale.model_dump(mode="json", by_alias=True, exclude_none=True)
    (folder / "onsales" / "cactus.yaml").write_text(json.dumps(document))
    (folder / "rule.yaml").write_text(RULE)
    (folder / "kubeconfig").write_text(KUBECONFIG)
    (folder / "prometheus-password").write_text(PROMETHEUS_PASSWORD)
    store = TcpValkey(folder / "valkey", store_port, requirepass=STORE_PASSWORD)
    address = f"redis://:{quote(STORE_PASSWORD, safe='')}@127.0.0.1:{store_port}/0"
    secrets = {STORE_PASSWORD, quote(STORE_PASSWORD, safe=""), PROMETHEUS_PASSWORD, HEADER_SECRET}
    secrets |= {"kubernetes-token-4714", base64.b64encode(f"tide:{PROMETHEUS_PASSWORD}".encode()).decode()}
    with ExitStack() as stack:
        store.start()
        stack.callback(store.stop)
        queue = Process(
            folder, "queue", "queue", "serve", "--insecure-cookies", "--onsales", "onsales", "--keys", "keys",
            "--store", address, "--room-url", room, "--listen", room[7:], "--admin-tokens", str(token_file(folder)),
            "--gate", gate[7:], "--upstream", "http://127.0.0.1:1",
        )  # fmt: skip
        stack.callback(queue.end)
        queue.until(lambda: answers(f"{room}/readyz") == 200)
        secrets |= drive_the_room(shop, room, gate)
        console = make_token("kim", Role.OPERATOR)
        add_token(folder / "console.yaml", console.entry)
        (folder / "room-token").write_text(TOKENS[Role.OPERATOR])
        scaler = Process(
            folder, "scaler", "scaler", "run", "--rules", "rule.yaml", "--store", address, "--kubeconfig", "kubeconfig",
            "--listen", f"127.0.0.1:{scaler_port}", "--prometheus", "http://127.0.0.1:1", "--prometheus-username", "tide",
            "--prometheus-password-file", "prometheus-password", "--prometheus-header", f"X-Tenant={HEADER_SECRET}",
            "--console-tokens", str(folder / "console.yaml"), "--room-admin", room, "--room-admin-token-file", "room-token",
        )  # fmt: skip
        stack.callback(scaler.end)
        scaler.until(lambda: {"round_ended", "step_failed"} <= scaler.events())
        secrets |= {console.token} | drive_the_console(console.token, f"http://127.0.0.1:{scaler_port}")
        store.stop()
        queue.until(lambda: "store_unavailable" in queue.events())
        assert answers(f"{room}/cactus/status") in (401, 404, 503)
        rounds = len([line for line in scaler.lines() if line["event"] == "round_ended"])
        scaler.until(
            lambda: len([line for line in scaler.lines() if line["event"] == "round_ended"]) > rounds + 2
        )
    for path in (folder / "keys").iterdir():
        secrets.add(path.read_text().strip())
    assert all(len(secret) >= 8 for secret in secrets)
    assert len(secrets) > 15
    assert queue.events() >= {
        "gate_refused",
        "admin_token_refused",
        "upstream_unreachable",
        "onsale_changed",
    }, queue.events()
    assert scaler.events() >= {
        "console_form_of_others_refused",
        "console_action",
    }, scaler.events()
    acted = [line for line in scaler.lines() if line["event"] == "console_action"]
    told = {(line["who"], line["what"], line["outcome"]) for line in acted}
    form = "This form was not sent from this console, so nothing was done."
    key = "This form is not from this session: reload the page. Nothing was done."
    assert told >= {
        ("", "sign in", "This token is not known here."),
        ("kim", "sign in", "done"),
        ("", "message", form),
        ("kim", "message", key),
        ("kim", "message", "done"),
    }, told
    asked = {line["request_id"] for line in acted}
    assert asked & {line["request_id"] for line in queue.lines() if line["event"] == "onsale_changed"}
    for process in (queue, scaler):
        lines = process.lines()
        assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + process.log.read_text()
        assert [secret for secret in secrets if secret in text] == []


def drive_the_room(shop: Shop, room: str, gate: str) -> set[str]:
    """Go the ways of a buyer, of an operator and of people who try things; return all that must not be told."""
    invitation, spoilt = shop.invite("ada@example.org"), shop.invite("eve@example.org", exp=1)
    secrets = {invitation, spoilt, "ada@example.org", "eve@example.org", *TOKENS.values()}
    phone, laptop = requests.Session(), requests.Session()
    phone.headers.update(JSON)
    laptop.headers.update(JSON)
    assert phone.post(f"{room}/cactus/join", json={"token": spoilt}, timeout=60).status_code >= 400
    assert phone.post(f"{room}/cactus/join", json={"token": invitation}, timeout=60).status_code == 200
    secrets |= set(phone.cookies.values())
    code = phone.post(f"{room}/cactus/code", timeout=60).json()["code"]
    secrets |= {code, code.replace("-", "")}
    laptop.get(f"{room}/cactus/", timeout=60)
    assert laptop.post(f"{room}/cactus/move", json={"code": code}, timeout=60).status_code == 200
    deadline = time.monotonic() + WITHIN_S
    while (entered := laptop.post(f"{room}/cactus/enter", timeout=60)).status_code != 200:
        assert time.monotonic() < deadline, entered.text
        time.sleep(0.1)
    secrets |= set(laptop.cookies.values())
    laptop.get(f"{gate}/seats", timeout=60)  # let through; the shop does not answer
    bad = {"Cookie": "tidegate_pass_cactus=not-a-pass-4715; tidegate_device=AAAA"}
    requests.get(f"{gate}/seats", headers=bad, timeout=60)
    requests.get(f"{gate}/.tidegate/enter?code=cactus.AAAAAAAAAAAAAAAAAAAAA4716", headers=JSON, timeout=60)
    requests.get(f"{room}/gate/auth", headers={"X-Original-URL": "not an address 4717", **bad}, timeout=60)
    for address in (room, gate):
        for head in (b"X: \x00", b"\x00: ", b"Cookie : "):  # no HTTP, each in its way
            send_raw(address, b"GET /seats HTTP/1.1\r\nHost: a\r\n" + head + b"not-a-pass-4719\r\n\r\n")
        send_raw(
            address, b"POST /cactus/join HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nnot-a-token-4720"
        )
    for token in (TOKENS[Role.OPERATOR], "not-a-token-4718"):
        bearer = {"Authorization": f"Bearer {token}", **JSON}
        requests.post(
            f"{room}/admin/v1/onsales/cactus/hold", json={"reason": "a break"}, headers=bearer, timeout=60
        )
    bad_ones = {"not-a-pass-4715", "AAAAA4716", "not an address 4717", "not-a-token-4718"}
    return secrets | bad_ones | {"not-a-pass-4719", "not-a-token-4720"}


def drive_the_console(token: str, scaler: str) -> set[str]:
    """Sign in badly and well, send a form badly and well; return all that must not be told."""
    console = f"{scaler}/console"
    operator = requests.Session()
    operator.headers.update({"Accept": "text/html", "Origin": scaler})
    assert (
        operator.post(f"{console}/sign-in", data={"token": "not-a-token-4721"}, timeout=30).status_code == 401
    )
    assert operator.post(f"{console}/sign-in", data={"token": token}, timeout=30).status_code == 200
    found = re.search(r'name="form_key" value="([^"]+)"', operator.get(f"{console}/", timeout=60).text)
    assert found
    change = f"{console}/onsales/cactus/message"
    form = {"form_key": found[1], "message": "a moment"}
    others = {"Origin": "http://shop.example.org"}
    assert operator.post(change, data=form, headers=others, timeout=60).status_code == 403
    for key in ("not-a-key-4722", found[1]):
        answer = operator.post(change, data={**form, "form_key": key}, timeout=60)
        assert answer.status_code == (200 if key == found[1] else 403)
    requests.get(f"{console}/", headers={"Cookie": "tidegate_console=not-a-session-4723"}, timeout=60)
    assert "tidegate_console" in operator.cookies
    bad_ones = {"not-a-token-4721", "not-a-key-4722", "not-a-session-4723"}
    return {found[1], *operator.cookies.values(), *bad_ones}


def send_raw(address: str, sent: bytes) -> None:
    """Send bytes as they are, hang up, and wait until the server has as well."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as wire, suppress(ConnectionError):
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)
        while wire.recv(4096):
            pass
