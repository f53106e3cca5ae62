"""Several worker processes on one address: the kernel spreads connections over them (SO_REUSEPORT), the store joins them.

The parent only starts workers, starts them again when they die, and passes signals on; it serves nothing itself.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

_PR_SET_PDEATHSIG = 1
_RESTART_AFTER_S = 1.0
_MISTAKE = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_workers(count: int, work: Callable[[int], int]) -> int:
    """Run `work` in `count` processes until SIGTERM or SIGINT; SIGHUP is passed on. Returns the exit status.

    Each is told a number below `count`, which one that stands in for a dead one takes over.
    A worker that ends with status 2 has met a mistake in its settings: all are stopped, as another try would meet it too.
    Call it before any thread or event loop has been started: workers are forked.
    """
    return _Supervisor(count, work).run()


class _Supervisor:
    def __init__(self, count: int, work: Callable[[int], int]) -> None:
        self._count = count
        self._work = work
        self._workers: dict[int, tuple[int, float]] = {}
        self._stopping = False
        self._status = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        for worker in range(self._count):
            self._start(worker)
        while self._workers:
            pid, status = os.waitpid(-1, 0)
            ended = self._workers.pop(pid, None)
            if ended is None or self._stopping:
                continue
            worker, started = ended
            code = os.waitstatus_to_exitcode(status)
            if code == _MISTAKE:
                self._status = code
                self._stop(signal.SIGTERM, None)
                continue
            log.error("worker_ended", worker=pid, status=code)
            time.sleep(max(0.0, _RESTART_AFTER_S - (time.monotonic() - started)))
            if not self._stopping:
                self._start(worker)
        return self._status

    def _start(self, number: int) -> None:
        parent = os.getpid()
        # Held back until the parent knows the child, and the child is rid of the parent's handlers: else a signal is lost.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid:
            self._workers[pid] = (number, time.monotonic())
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            return
        for each in _SIGNALS:
            # A worker that is about to read everything needs no telling, and would die of it.
            signal.signal(each, signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        status = 1
        try:
            if os.getppid() == parent:
                status = self._work(number)
        except Exception:  # the process ends here and now, and would take its reason with it
            log.exception("worker_failed", worker=os.getpid())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        self._pass_on(signal.SIGTERM, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        for pid in list(self._workers):
            os.kill(pid, number)
