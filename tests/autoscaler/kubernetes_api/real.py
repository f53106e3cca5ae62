"""A real API server for the same tests: one that is named by a kubeconfig, or etcd and kube-apiserver started here.

The flags are those of envtest (controller-runtime `pkg/internal/testing/controlplane`): RBAC on, the ServiceAccount admission off
so that pods need no account, no controllers. Written with care, but never run: the project's machines have no kube-apiserver.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import load_kube_config

from autoscaler.targets import launcher
from tests.autoscaler.kubernetes_api.certificates import make_certificates
from tests.ports import free_ports

ASSETS, KUBECONFIG = "KUBEBUILDER_ASSETS", "TIDEGATE_TEST_KUBECONFIG"
START_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class RealServer:
    """Where a real API server is, and how its administrator gets in."""

    address: str
    authority: Path
    token: str | None
    context: ssl.SSLContext
    runs_pods_itself: bool


def is_wanted() -> bool:
    """Tell whether tests are to run against a real server."""
    return bool(os.environ.get(KUBECONFIG) or os.environ.get(ASSETS))


@contextmanager
def real_server(folder: Path) -> Iterator[RealServer]:
    """Reach the cluster of the kubeconfig, or start a control plane for the time of the context."""
    if os.environ.get(KUBECONFIG):
        yield _by_kubeconfig(os.environ[KUBECONFIG])
    else:
        with _control_plane(Path(os.environ[ASSETS]), folder) as server:
            yield server


def _by_kubeconfig(path: str) -> RealServer:
    found = Configuration()
    asyncio.run(load_kube_config(config_file=path, client_configuration=found))
    context = ssl.create_default_context(cafile=found.ssl_ca_cert)
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file)
    key = found.api_key.get("BearerToken") or found.api_key.get("authorization")
    token = key.removeprefix("Bearer ") if key else None
    return RealServer(found.host, Path(found.ssl_ca_cert), token, context, runs_pods_itself=True)


@contextmanager
def _control_plane(assets: Path, folder: Path) -> Iterator[RealServer]:
    client, peer, secure = free_ports(3)
    certificates = make_certificates(folder)
    signing = folder / "service-accounts.key"
    _write_key(signing)
    token = secrets.token_urlsafe(24)
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{token},kubernetes-admin,admin,"system:masters"\n')
    etcd_url, address = f"http://127.0.0.1:{client}", f"https://127.0.0.1:{secure}"
    etcd = [
        str(assets / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync=true",
    ]
    apiserver = [
        str(assets / "kube-apiserver"),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={secure}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--tls-cert-file={certificates.server}",
        f"--tls-private-key-file={certificates.key}",
        f"--cert-dir={folder}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        f"--service-account-issuer={address}",
        f"--service-account-key-file={signing}",
        f"--service-account-signing-key-file={signing}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",
    ]
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with ExitStack() as stack:
        stack.enter_context(_running(etcd, folder / "etcd.log"))
        server = stack.enter_context(_running(apiserver, folder / "kube-apiserver.log"))
        _wait_until_ready(server, f"{address}/readyz", token, context, folder / "kube-apiserver.log")
        yield RealServer(address, certificates.authority, token, context, runs_pods_itself=False)


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program which ends with us, however we end."""
    bound_to_us = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
    with log.open("wb") as output:
        process = subprocess.Popen([*bound_to_us, *command], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(
    process: subprocess.Popen[bytes], url: str, token: str, context: ssl.SSLContext, log: Path
) -> None:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - https, our own
    end_s = time.monotonic() + START_WITHIN_S
    while True:
        assert process.poll() is None, f"kube-apiserver ended: {log.read_text()[-2000:]}"
        try:
            with urllib.request.urlopen(request, context=context, timeout=5) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except OSError:
            pass
        assert time.monotonic() < end_s, f"kube-apiserver is not ready: {log.read_text()[-2000:]}"
        time.sleep(0.1)


def _write_key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
