"""What an operator sets for a scaler process, read once at the edge. It knows no documents and opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from autoscaler.console.settings import ConsoleSettings
from autoscaler.errors import ConfigurationError
from autoscaler.prometheus.access import PrometheusAccess

MAX_PORT = 65535
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,249}[a-z0-9])?")
"""What Kubernetes takes as a name, with room for the number of a ConfigMap behind it."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class LeaseIn(StrEnum):
    """Where the lease is kept by which one of several scalers leads."""

    KUBERNETES = "kubernetes"
    STORE = "store"
    NONE = "none"


class MemoryIn(StrEnum):
    """Where what rules remember is kept."""

    STORE = "store"
    CONFIGMAP = "configmap"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ScalerSettings:
    """Settings of one scaler process; `TIDEGATE_...` variables and flags of the command line carry the same names."""

    rules: tuple[Path, ...]
    """Files or folders with rules, pools and onsales."""

    store_url: str = "redis://127.0.0.1:6379"
    """Valkey or Redis which the room uses too, in any of the forms of `rulebook.storeaddress`."""

    allow_open_store: bool = False
    """Take a store without a password on another machine: whoever can write there can let in anybody."""

    host: str = "127.0.0.1"
    """Where /metrics, /status, /healthz and /readyz are served; this machine only, unless said otherwise."""

    port: int = 9190
    """0 lets the system choose."""

    dry_run: bool = False
    """A dry run of every rule: decide and show everything, write neither replicas nor admission targets."""

    once: bool = False
    """Evaluate each rule once and return, without serving HTTP."""

    lease_s: float = 15.0
    """Seconds a leader's lease lasts. An admission target is valid for this + 2 intervals, so that a takeover fits in."""

    leader: LeaseIn = LeaseIn.NONE
    """Where several scalers settle which of them leads; `none` is for one that is alone."""

    lease_name: str = "tidegate-scaler"
    """The lease; scalers of the same name stand in for each other, so they must have the same rules."""

    lease_namespace: str | None = None
    """The namespace of a lease in Kubernetes; None takes the targets' default namespace."""

    memory: MemoryIn = MemoryIn.STORE
    """Where what rules remember is kept over restarts and takeovers: the store, ConfigMaps, or nowhere."""

    memory_name: str = "tidegate-memory"
    """How the names of the ConfigMaps with memories begin."""

    memory_namespace: str | None = None
    """Their namespace; None takes that of targets which name none."""

    logs: Path = Path("out/logs")
    """Folder for what the replicas of local pools print, a file for each pool and port."""

    prometheus: PrometheusAccess | None = None
    """The server that signals with `prometheus` are read from; None where no rule has one."""
    kubeconfig: Path | None = None
    """Which kubeconfig names the cluster; None takes the pod's service account, else $KUBECONFIG, else ~/.kube/config."""

    context: str | None = None
    """Which context of the kubeconfig; None takes its current one."""

    namespace: str | None = None
    """The namespace of targets that name none; None takes the context's, or the pod's own."""

    service_account: Path = SERVICE_ACCOUNT
    """Where Kubernetes mounts a pod's token, CA and namespace."""

    kubernetes_qps: float = 20.0
    """Requests a second to the API server, of all rules together; controllers built on client-go have 20."""

    kubernetes_burst: int = 30
    """Requests to the API server which may go at once."""

    console: ConsoleSettings | None = None
    """The operators' console, served where /status is; None where there is none."""

    def __post_init__(self) -> None:
        if not self.rules:
            raise ConfigurationError("no rules given: name at least one file or folder")
        if not 0 <= self.port <= MAX_PORT:
            raise ConfigurationError(f"port {self.port} is not between 0 and {MAX_PORT}")
        if not self.lease_s > 0:
            raise ConfigurationError(f"--lease-duration must be above 0 s, found {self.lease_s:g}")
        for option, name in (("--lease-name", self.lease_name), ("--memory-name", self.memory_name)):
            if not _OBJECT_NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{option} must be lower-case letters, digits, '-' and '.', as Kubernetes has them, found {name!r}"
                )
        if not self.kubernetes_qps > 0:
            raise ConfigurationError(f"--kubernetes-qps must be above 0, found {self.kubernetes_qps:g}")
        if self.kubernetes_burst < 1:
            raise ConfigurationError(f"--kubernetes-burst must be 1 or more, found {self.kubernetes_burst}")

    def validity_s(self, interval_s: float) -> float:
        """Return for how long an admission target counts which a rule with this interval writes."""
        return self.lease_s + 2 * interval_s


def parse_address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT`; an IPv6 address stands in brackets.

    Raises:
        ConfigurationError: there is no host, or no port number.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise ConfigurationError(f"{text!r} is not an address like 127.0.0.1:9190")
    return host, int(port)
