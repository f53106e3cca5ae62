"""Where the API server is and who we are to it: a pod's service account, or a kubeconfig. It sends nothing.

Tokens are read again while they are in use: a service account's file is replaced every hour, an exec plugin's token expires.
Nothing of a credential is ever put into an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from autoscaler.errors import ConfigurationError, Unreachable, brief
from autoscaler.settings import SERVICE_ACCOUNT

_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_BEARER = "BearerToken"
_DEFAULT_NAMESPACE = "default"


class Access(Protocol):
    """An API server's address and our credentials there."""

    @property
    def namespace(self) -> str:
        """The namespace of what names none."""
        ...

    async def configure(self) -> Configuration:
        """Make a configuration with credentials that are valid now.

        Raises:
            Unreachable: the credentials cannot be had now.
        """
        ...

    async def refresh(self, configuration: Configuration) -> None:
        """Put the newest credentials into a configuration made earlier.

        Raises:
            Unreachable: they cannot be had now; the old ones stay.
        """
        ...


class ServiceAccountAccess:
    """A pod's own account, as Kubernetes mounts it.

    Raises:
        ConfigurationError: the environment does not say where the API server is.
    """

    def __init__(self, folder: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        host, port = environment.get(_HOST, ""), environment.get(_PORT, "")
        if not host or not port:
            raise ConfigurationError(
                f"{folder} is there, but {_HOST} and {_PORT} are not set: give --kubeconfig, or run in a pod"
            )
        self._folder = folder
        self._host = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    @staticmethod
    def is_there(folder: Path = SERVICE_ACCOUNT) -> bool:
        """Tell whether a service account is mounted here."""
        return (folder / "token").is_file() and (folder / "ca.crt").is_file()

    @property
    def namespace(self) -> str:
        """The namespace the pod runs in."""
        try:
            return (self._folder / "namespace").read_text(encoding="utf-8").strip() or _DEFAULT_NAMESPACE
        except OSError:
            return _DEFAULT_NAMESPACE

    async def configure(self) -> Configuration:
        """Make a configuration from the mounted files.

        Raises:
            Unreachable: the token's file cannot be read, or is empty.
        """
        configuration = _new_configuration()
        configuration.host = self._host
        configuration.ssl_ca_cert = str(self._folder / "ca.crt")
        await self.refresh(configuration)
        return configuration

    async def refresh(self, configuration: Configuration) -> None:
        """Read the token's file again.

        Raises:
            Unreachable: it cannot be read, or is empty; the old token stays.
        """
        file = self._folder / "token"
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise Unreachable(f"credentials: {file} cannot be read ({type(error).__name__})") from error
        if not token:
            raise Unreachable(f"credentials: {file} is empty")
        configuration.api_key[_BEARER] = f"Bearer {token}"


class KubeconfigAccess:
    """One context of a kubeconfig: certificates, tokens, token files and exec plugins, as kubectl takes them.

    The file is read when this is made, and again whenever credentials are refreshed.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    def __init__(self, path: str | Path, context: str | None = None) -> None:
        self._path = str(path)
        self._context = context
        self._loader = self._read()

    @property
    def namespace(self) -> str:
        """The namespace of the context."""
        context: Any = self._loader.current_context or {}
        return str((context.get("context") or {}).get("namespace") or _DEFAULT_NAMESPACE)

    async def configure(self) -> Configuration:
        """Make a configuration from the file as it is now; exec plugins are run.

        Raises:
            Unreachable: the file cannot be used now, names no server, or what it says to run failed.
        """
        configuration = _new_configuration()
        await self.refresh(configuration)
        if not configuration.host:
            raise Unreachable(f"kubeconfig {self._path}: the context's cluster has no server")
        return configuration

    async def refresh(self, configuration: Configuration) -> None:
        """Read the file again, and run the exec plugin again if what it gave has expired.

        Raises:
            Unreachable: the file cannot be used now, or what it says to run failed; the old credentials stay.
        """
        try:
            fresh = self._read()
        except ConfigurationError as error:
            raise Unreachable(f"credentials: {error}") from error
        old, self._loader = self._loader, fresh
        # A plugin's answer is good until it says otherwise; running it for each refresh would be slow and, with some, costly.
        if hasattr(old, "exec_plugin_expiry"):
            fresh.exec_plugin_expiry, fresh.token = old.exec_plugin_expiry, getattr(old, "token", "")
        await self._load(configuration)

    def _read(self) -> KubeConfigLoader:
        try:
            merged = KubeConfigMerger(self._path).config
            return KubeConfigLoader(merged, active_context=self._context, config_base_path=None)
        except ConfigException as error:
            raise ConfigurationError(f"kubeconfig {self._path}: {brief(error)}") from error
        except Exception as error:  # it raises whatever the file's shape makes it stumble over
            told = f"{type(error).__name__}: {brief(error)}" if str(error) else type(error).__name__
            raise ConfigurationError(f"kubeconfig {self._path}: {told}") from error

    async def _load(self, configuration: Configuration) -> None:
        try:
            await self._loader.load_and_set(configuration)
        except Exception as error:  # a plugin's failure comes as anything
            raise Unreachable(f"credentials: kubeconfig {self._path}: {type(error).__name__}") from error
        # What is read from a token file keeps the file's line end, which no header may have.
        token = configuration.api_key.get(_BEARER)
        if token is not None:
            configuration.api_key[_BEARER] = token.strip()


def find_access(
    kubeconfig: Path | None,
    context: str | None = None,
    *,
    service_account: Path = SERVICE_ACCOUNT,
    environment: Mapping[str, str] | None = None,
) -> Access:
    """Take the kubeconfig that is named; else the pod's service account; else $KUBECONFIG, else ~/.kube/config.

    Raises:
        ConfigurationError: there is none of them, or the one there is cannot be used.
    """
    environment = os.environ if environment is None else environment
    if kubeconfig is not None:
        if not kubeconfig.is_file():
            raise ConfigurationError(f"kubeconfig {kubeconfig}: there is no such file")
        return KubeconfigAccess(kubeconfig, context)
    if context is None and ServiceAccountAccess.is_there(service_account):
        return ServiceAccountAccess(service_account, environment)
    named = environment.get("KUBECONFIG", "")
    if named:
        return KubeconfigAccess(named, context)
    usual = Path(environment.get("HOME", "/")) / ".kube" / "config"
    if usual.is_file():
        return KubeconfigAccess(usual, context)
    raise ConfigurationError(
        "no Kubernetes cluster is known: give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )


def _new_configuration() -> Configuration:
    configuration = Configuration()
    configuration.host = ""
    # Watches hold a connection each, so the number of connections is that of the targets; requests have a limiter of their own.
    configuration.connection_pool_maxsize = 0
    return configuration
