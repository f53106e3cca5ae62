"""What operators do to services: the mode of a rule, and a restart. Each is written to the audit log, whatever came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from autoscaler.console.base import CONSOLE, ROOT, SAID, render, see_other
from autoscaler.console.fleets import fleet_of
from autoscaler.console.guard import FORM_KEY, signed_in
from autoscaler.console.questions import Question, question_of
from autoscaler.console.recording import asked_by, entry_of, request_id, tell
from autoscaler.console.seen import check_seen
from autoscaler.errors import AutoscalerError, OutcomeUnknown, brief
from rulebook.override import MAX_REASON, Override, OverrideMode
from rulebook.rule import ScalingRule

AUTOMATIC: Final = "automatic"
CONFIRMED: Final = "confirmed"


class Refused(AutoscalerError):
    """A form holds what cannot be done; the message says what to write instead. Nothing was done."""


async def set_mode(request: web.Request) -> web.StreamResponse:
    """Pause a rule, pin it, have it only say what it would do, or go by its document again. It is asked for once more."""
    console = request.app[CONSOLE]
    rule, loop = console.rule(request.match_info["rule"])
    form, who = await texts(request), signed_in(request).entry.name
    now_s = console.scaler().clock.now_s()
    back = f"{ROOT}/services/{rule.name}"
    try:
        override = read_mode(form, rule, who, now_s)
    except Refused as error:
        return refuse(request, form, back, f"Nothing was changed: {error}")
    question = question_of(rule, loop.status, override)
    if question is not None and CONFIRMED not in form:
        return ask_again(request, form, question, back)
    said = _said(override)

    async def change(_: str) -> None:
        now = loop.status.override
        by = "somebody" if now is None else now.who
        check_seen(form, now, f"{by} has set {rule.name} to {_said(now)}")
        await loop.override(override)

    return await carry_out(
        request, f"set mode: {said}", rule.name, form.get("reason", ""), change,
        done=f"{rule.name} is {said} now.", back=back,
    )  # fmt: skip


async def restart(request: web.Request) -> web.StreamResponse:
    """Replace all pods of a service by new ones, a few at a time. It is asked for once more."""
    console = request.app[CONSOLE]
    rule, loop = console.rule(request.match_info["rule"])
    form, back = await texts(request), f"{ROOT}/services/{rule.name}"
    fleet = fleet_of(loop.target)
    if fleet is None:
        return refuse(request, form, back, "This kind of target cannot be restarted from here.")
    if CONFIRMED not in form:
        text = f"All pods of {loop.status.target} are replaced by new ones, one after another. Buyers inside may notice."
        return ask_again(request, form, Question(f"Restart {rule.name}?", text, "Restart"), back)

    async def begin(_: str) -> None:
        console.scaler().leadership.check()
        await fleet.restart()

    return await carry_out(
        request, "restart", rule.name, "", begin, done=f"{rule.name} is being restarted.", back=back
    )


def read_mode(form: Mapping[str, str], rule: ScalingRule, who: str, now_s: float) -> Override | None:
    """Read the form of a mode; None takes an override back.

    Raises:
        Refused: it cannot be used.
    """
    wanted, reason = form.get("mode", ""), " ".join(form.get("reason", "").split())
    if wanted == AUTOMATIC:
        return None
    if wanted not in set(OverrideMode):
        raise Refused("choose a mode: automatic, paused, pinned or dry run")
    if len(reason) > MAX_REASON:
        raise Refused(f"the reason is longer than {MAX_REASON} characters")
    mode, replicas = OverrideMode(wanted), None
    if mode is OverrideMode.PINNED:
        text, most = form.get("replicas", "").strip(), rule.spec.replicas.max
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
            raise Refused(f"pin at a number of replicas from 0 to {most}, the most that the rule allows")
        replicas = int(text)
    return Override(mode, who, now_s, replicas, reason)


async def carry_out(
    request: web.Request,
    what: str,
    about: str,
    detail: str,
    act: Callable[[str], Awaitable[object]],
    *,
    done: str,
    back: str,
) -> web.StreamResponse:
    """Do something, write down that it was done or why not, and go back. What broke off half done is written down as well."""
    outcome, unsure = "it broke off", True
    try:
        await act(request_id(request))
        outcome, unsure = "", False
    except OutcomeUnknown as error:
        outcome = brief(error)
    except AutoscalerError as error:
        outcome, unsure = brief(error), False
    finally:
        entry = entry_of(request, what, about, detail=detail, outcome=outcome, unsure=unsure)
        await request.app[CONSOLE].audit.note(entry)
    if unsure:
        return answer(request, back, "bad", f"Not known whether it was done: {outcome}")
    if outcome:
        return answer(request, back, "bad", f"Not done: {outcome}")
    return answer(request, back, "good", done)


def refuse(request: web.Request, form: Mapping[str, str], back: str, why: str) -> web.StreamResponse:
    """Write down that a form asks for what cannot be done, and go back."""
    what, about = asked_by(request)
    tell(request, what, about, detail=form.get("reason", ""), outcome=why)
    return answer(request, back, "bad", why)


def ask_again(request: web.Request, form: Mapping[str, str], question: Question, back: str) -> web.Response:
    """Ask once more before something that hurts."""
    fields = {name: value for name, value in form.items() if name not in (FORM_KEY, CONFIRMED)}
    return render(request, "confirm.html", question=question, back=back, fields=fields)


def answer(request: web.Request, back: str, grade: str, text: str) -> web.StreamResponse:
    """Go back to a page, which shows what came of it."""
    key = signed_in(request).leave_notice(grade, text)
    return see_other(f"{back}?{SAID}={key}")


async def texts(request: web.Request) -> dict[str, str]:
    """Return the text fields of a form."""
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _said(override: Override | None) -> str:
    if override is None:
        return "automatic"
    match override.mode:
        case OverrideMode.PAUSED:
            return "paused"
        case OverrideMode.PINNED:
            return f"pinned at {override.replicas}"
        case OverrideMode.DRY_RUN:
            return "on a dry run"
