"""The demo from start to end: stack up, crowd through, stack down, figures counted, report written."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.demo.checks import checks_of
from tidegate.demo.documents import load_demo_documents
from tidegate.demo.errors import ChildDied, DemoError
from tidegate.demo.examples import find_examples
from tidegate.demo.figures import count
from tidegate.demo.options import DemoOptions
from tidegate.demo.performance import Performance
from tidegate.demo.report import summary, tell, write_report
from tidegate.demo.screen import open_screen
from tidegate.demo.stack import running_stack

EXAMPLES = "demo"
BROKEN_PROMISES = 1
INTERRUPTED = 130


async def run_demo(options: DemoOptions) -> int:
    """Run it all and return the exit status: 0 only if everyone who stayed was served, and every promise was kept.

    A scenario whose blow did not fall has shown nothing: status 1. SIGINT and SIGTERM end everything cleanly, with status 130.
    A process that dies early is told on standard error.

    Raises:
        DemoError: it cannot start; the message is one line.
        DocumentErrors: the example documents are wrong.
    """
    folder = _report_folder(options)
    with _interruptible() as interruption:
        try:
            return await _run(options, folder)
        except asyncio.CancelledError:
            if not interruption.is_set():
                raise
            if options.report is None:
                shutil.rmtree(folder, ignore_errors=True)
            print("interrupted: everything has been stopped", file=sys.stderr)
            return INTERRUPTED
        except ChildDied as error:
            print(f"tidegate: {error}", file=sys.stderr)
            return BROKEN_PROMISES


async def _run(options: DemoOptions, folder: Path) -> int:
    work = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
    scenario = options.scenario
    documents = load_demo_documents(find_examples(EXAMPLES)).with_slowdown(scenario.slowdown)
    with open_screen(headless=options.headless) as screen:
        screen.say(f"{scenario.name}: {scenario.title}")
        screen.say(f"starting the store, the scaler with the shop, and the waiting room; logs in {work}")
        async with running_stack(documents, work, keep_data=options.keep_data) as stack:
            screen.say(f"waiting room {stack.endpoints.room}/{stack.documents.onsale.name}/")
            screen.say(
                f"shop behind the gate {stack.endpoints.gate}/   scaler {stack.endpoints.scaler}/status"
            )
            screen.say(
                f"operators' console {stack.endpoints.console}   sign in with a token, good for this run:"
            )
            for role, token in stack.access.tokens.items():
                screen.say(f"  {role}: {token}")
            performance = Performance(options, stack, screen)
            await performance.play()
            if options.stay:
                screen.say("the sale is over; everything stays up until Ctrl-C")
                await _until_interrupted(performance.stay())
    evidence = performance.evidence()
    figures = count(evidence, performance.terms)
    struck, interval_s = performance.struck, documents.rule.spec.interval_s
    checks = checks_of(scenario, evidence, figures, struck, interval_s)
    told = write_report(folder, options, evidence, performance.terms, figures, checks)
    print("\n".join([*summary(figures), *(tell(check) for check in checks), *told]))
    fell = scenario.blow is None or struck is not None
    return 0 if figures.kept_promises and fell else BROKEN_PROMISES


async def _until_interrupted(staying: Coroutine[None, None, None]) -> None:
    """Let it go on until an interruption, which ends this and nothing else."""
    task = asyncio.current_task()
    try:
        await staying
    except asyncio.CancelledError:
        if task is not None:
            task.uncancel()


def _report_folder(options: DemoOptions) -> Path:
    if options.report is None:
        return Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    folder = options.report.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    return folder


@contextmanager
def _interruptible() -> Iterator[asyncio.Event]:
    """Have the first SIGINT or SIGTERM cancel the current task, and set the event; further ones change nothing."""
    event = asyncio.Event()
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if task is not None and not event.is_set():
            event.set()
            task.cancel()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield event
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
