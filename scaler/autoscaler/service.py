"""One scaler process from start to stop: settings in, documents checked, port bound, scaler run until a signal comes.

SIGTERM and SIGINT end it; SIGHUP has the documents read again, changed or not.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import structlog
from aiohttp import web

from autoscaler.clock import SystemClock
from autoscaler.console.app import add_console
from autoscaler.console.history import Chronicle
from autoscaler.errors import ConfigurationError
from autoscaler.instrumentation.instruments import Instruments
from autoscaler.instrumentation.prometheus import PrometheusInstrument
from autoscaler.instrumentation.structured import StructlogInstrument
from autoscaler.patience import Patience
from autoscaler.plan import Refusal, make_plan
from autoscaler.scaler import open_scaler
from autoscaler.server import SCALER, make_app
from autoscaler.settings import ScalerSettings
from autoscaler.status import RuleStatus
from autoscaler.wording import said_by_system

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.scaler")


async def run_scaler(settings: ScalerSettings, listening: asyncio.Future[int] | None = None) -> None:
    """Run until SIGTERM or SIGINT, or until cancelled; pools are stopped at the end.

    `listening` is told the port once the scaler serves HTTP.

    Raises:
        AutoscalerError: it cannot start; the message is one line.
    """
    plan = make_plan(settings)
    clock = SystemClock()
    metrics = PrometheusInstrument()
    chronicle = Chronicle(clock)
    instrument = Instruments((metrics, StructlogInstrument(), chronicle))
    # Bound before anything is started: a busy port must not cost a round of starting and stopping replicas.
    with _bind(settings.host, settings.port) as listener, _stop_signals() as stop:
        app = make_app(lambda: open_scaler(settings, plan, instrument, clock), metrics.registry)
        if settings.console is not None:
            add_console(
                app,
                settings.console,
                chronicle,
                lambda: app[SCALER],
                listens=_address_of(settings.host, listener),
                writes=not settings.dry_run,
            )
        runner = web.AppRunner(app, handle_signals=False, access_log=None)
        patience = Patience()

        def read_again() -> None:
            if SCALER in app:  # before that, they are being read anyway
                app[SCALER].reloader.ask()

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, read_again)
        try:
            await runner.setup()
            if runner.server is not None:
                patience.install(runner.server)
            await web.SockSite(runner, listener).start()
            port: int = listener.getsockname()[1]
            _log.info("scaler_runs", host=settings.host, port=port, rules=list(plan.rules))
            if listening is not None:
                listening.set_result(port)
            watching = asyncio.create_task(patience.watch())
            try:
                await stop.wait()
            finally:
                watching.cancel()
            _log.info("scaler_stops")
        finally:
            await runner.cleanup()
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of evaluating each rule once, and what of the documents was not in force."""

    statuses: tuple[RuleStatus, ...]
    refusals: tuple[Refusal, ...]

    @property
    def ok(self) -> bool:
        """Whether every rule that the documents hold was evaluated, and nothing failed."""
        evaluated = all(status.last_success_at_s is not None for status in self.statuses)
        return evaluated and not self.refusals


async def run_once(settings: ScalerSettings) -> Outcome:
    """Evaluate each rule once and return what came of it; pools live for as long as that takes.

    Raises:
        AutoscalerError: it cannot start; the message is one line.
    """
    plan = make_plan(settings)
    async with open_scaler(settings, plan, StructlogInstrument(), SystemClock()) as scaler:
        return Outcome(tuple(loop.status for loop in scaler.loops.values()), plan.refusals)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = said_by_system(error)
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {reason}; --listen HOST:PORT takes another"
        ) from error


def _address_of(host: str, listener: socket.socket) -> str:
    """Write where others reach us: by this host's name, where we listen on all its addresses."""
    bound, port = listener.getsockname()[:2]
    name = socket.gethostname() if ip_address(bound).is_unspecified else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """Turn SIGTERM and SIGINT into an event for the time of the context."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
