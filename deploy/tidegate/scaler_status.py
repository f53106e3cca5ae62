"""What a running scaler does and why, read from its /status and written for people: a table of rules, and a rule in full."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rulebook.admission import AdmissionDecision
from rulebook.decision import Decision
from rulebook.explain import explain
from rulebook.memory import Memory
from rulebook.recommend import Recommendation
from rulebook.steps import Step

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 32 * 1024 * 1024
ERRORS_SHOWN: Final = 5
LATE_ROUNDS: Final = 3
_DASH: Final = "-"

Json = Mapping[str, Any]


class StatusError(Exception):
    """The status of a scaler cannot be shown; the message is one line."""


class Unreachable(StatusError):
    """Nobody answers at the address, or not as a scaler does."""


class UnknownRule(StatusError):
    """The scaler does not run that rule."""


@dataclass(frozen=True, slots=True)
class ScalerStatus:
    """The answer of a scaler at an address."""

    url: str
    document: Json

    @property
    def rules(self) -> Mapping[str, Json]:
        """What is known of each rule."""
        rules: Mapping[str, Json] = self.document["rules"]
        return rules

    def rule(self, name: str) -> Json:
        """Look a rule up.

        Raises:
            UnknownRule: it is not run.
        """
        if name not in self.rules:
            standby = _standing(self.document.get("leadership", {}))
            if standby and not self.rules:
                raise UnknownRule(f"the scaler at {self.url} {standby}; ask the leader")
            running = ", ".join(self.rules) or "none"
            raise UnknownRule(f"the scaler at {self.url} does not run rule {name}; it runs: {running}")
        return self.rules[name]


def fetch_status(url: str) -> ScalerStatus:
    """Ask a scaler at an http(s) address.

    Raises:
        Unreachable: it does not answer, or not as a scaler does.
    """
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/status", timeout=TIMEOUT_S) as answer:  # noqa: S310  # checked to be http(s)
            document = json.loads(answer.read(MAX_BYTES))
        status = ScalerStatus(url, document)
        render_table(status)  # whatever is missing of it is missing now
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreachable(f"no scaler answers at {url}: {_reason(error)}") from error
    return status


def render_table(status: ScalerStatus) -> RenderableType:
    """Write all rules as a table, and what of the documents is not in force."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("rule", "target", "ready", "replicas", "bound by", "admits", "round", "state"):
        right = column in ("ready", "replicas", "admits", "round")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    now_s = float(status.document["now"])
    for name, rule in status.rules.items():
        table.add_row(*(Text(cell) for cell in _row(name, rule, now_s)))
    problems = status.document.get("documents", {}).get("problems", ())
    standing = _standing(status.document.get("leadership", {}))
    lines: list[RenderableType] = [table] if status.rules else []
    lines += [Text(line) for line in (standing, "" if lines or standing else "no rule is in force") if line]
    lines += [Text(f"not in force: {problem['message']}", style="red") for problem in problems]
    not_started = status.document.get("not_started", {})
    lines += [Text(f"not started: {name}: {error}", style="red") for name, error in not_started.items()]
    return Group(*lines)


def render_rule(status: ScalerStatus, name: str) -> RenderableType:
    """Write everything of one rule: its last decision step by step, and what speaks against it.

    Raises:
        UnknownRule: it is not run.
    """
    return Text("\n".join(_rule_lines(status, name)))


def decision_of(rule: Json) -> Decision | None:
    """Read the decision of a rule back, as far as it is told; None where there has been none yet."""
    told = rule["decision"]
    if told is None:
        return None
    admission = told.get("admission")
    return Decision(
        desired=told["desired"],
        current=told["current"],
        ready=told["ready"],
        recommendations=tuple(
            Recommendation(
                entry["signal"], entry["replicas"], entry["value"], entry["target"], entry["detail"]
            )
            for entry in told["recommendations"]
        ),
        steps=tuple(Step(step["name"], step["replicas"], step["detail"]) for step in told["steps"]),
        bound_by=told["bound_by"],
        reason=told["reason"],
        memory=Memory(),
        admission=None
        if admission is None
        else AdmissionDecision(admission["rate_per_s"], admission["capacity"], admission["reason"]),
    )


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ConnectionRefusedError):
        return "Connection refused; is that what the scaler was told to --listen on?"
    return str(reason)[:200] or type(error).__name__


def _standing(leadership: Json) -> str:
    """Say whether the scaler leads; nothing of one that is alone."""
    if not leadership.get("elected", False):
        return ""
    holder, term = leadership["holder"], leadership["term"]
    if leadership["leading"]:
        return f"leads, in term {term}"
    if holder == leadership["identity"]:
        return "does not act: it could not renew its lease in time"
    return f"stands by: {holder} leads" if holder else "stands by: nobody is known to lead"


def _row(name: str, rule: Json, now_s: float) -> Iterator[str]:
    decision, admission = rule["decision"], rule["admission"]
    yield name
    yield rule["target"]
    yield _DASH if rule["ready"] is None else str(rule["ready"])
    if decision is None or decision["desired"] == rule["replicas"]:
        yield _DASH if rule["replicas"] is None else str(rule["replicas"])
    else:
        yield f"{rule['replicas']} -> {decision['desired']}"
    yield _DASH if decision is None else decision["bound_by"]
    yield _DASH if admission is None else f"{admission['rate_per_s']:g}/s"
    yield _DASH if rule["last_round_at"] is None else _ago(now_s - rule["last_round_at"])
    yield ", ".join(_remarks(rule, now_s)) or "ok"


def _remarks(rule: Json, now_s: float) -> Iterator[str]:
    """Name in a word or two each what is out of the ordinary."""
    paused = rule.get("paused", False)
    if paused is not False:
        yield ("paused" if paused is True else f"paused at {paused}") + _by(rule, "paused", "pinned")
    if rule["dry_run"]:
        yield "dry run" + _by(rule, "dryRun")
    if rule.get("outdated"):
        yield "last good form"
    yield from (
        f"{name} missing" for name, reading in rule["signals"].items() if reading.get("missing") is not None
    )
    last_s, success_s = rule["last_round_at"], rule["last_success_at"]
    if last_s is None:
        yield "no round yet"
    elif now_s - last_s > LATE_ROUNDS * rule["interval_s"]:
        yield "late"
    elif success_s != last_s and rule["errors"]:
        yield f"failed: {rule['errors'][-1]['step']}"
    if any(condition["reason"] == "AmbiguousTarget" for condition in rule.get("conditions", ())):
        yield "another autoscaler"
    if rule.get("memory", {}).get("error"):
        yield "memory not kept"


def _by(rule: Json, *modes: str) -> str:
    """Name the operator whose word over the document this is, if it is one."""
    override = rule.get("override")
    return f" by {override['who']}" if override is not None and override["mode"] in modes else ""


def _rule_lines(status: ScalerStatus, name: str) -> Iterator[str]:
    rule, now_s = status.rule(name), float(status.document["now"])
    remarks = ", ".join(_remarks(rule, now_s))
    yield f"{name}: {rule['target']}, every {rule['interval_s']:g} s{f' ({remarks})' if remarks else ''}"
    decision = decision_of(rule)
    if decision is None:
        yield "nothing has been decided yet"
    else:
        yield f"decided {_ago(now_s - rule['decision']['at'])} ago: {explain(decision)}"
    for signal, reading in rule["signals"].items():
        if reading.get("note"):
            yield f"  {signal}: {reading['note']}"
    if rule["admission"] is not None:
        yield from _admission_lines(rule["admission"])
    for condition in rule.get("conditions", ()):
        word = "" if condition["status"] == "True" else "not "
        yield f"  {word}{condition['type']} ({condition['reason']}): {condition['message']}"
    memory = rule.get("memory")
    if memory:
        saved = ("" if memory["saved_at"] is None else f"; kept {_ago(now_s - memory['saved_at'])} ago") + (
            f"; NOT kept: {memory['error']}" if memory["error"] else ""
        )
        yield f"  memory in {memory['kept_in']}: {memory['origin']}{saved}"
    for problem in status.document.get("documents", {}).get("problems", ()):
        if problem["rule"] == name:
            yield f"  not in force: {problem['message']}"
    for error in rule["errors"][-ERRORS_SHOWN:]:
        yield f"  failed {_ago(now_s - error['at'])} ago: {error['step']}: {error['error']}"


def _admission_lines(admission: Json) -> Iterator[str]:
    left_s = admission["valid_until"] - admission["store_now"]
    capacity = "" if admission["capacity"] is None else f", at most {admission['capacity']} sessions"
    told = "told" if admission["accepted"] else f"REFUSED (term {admission['term']}) to tell"
    yield (
        f"  onsale {admission['onsale']} was {told} {admission['rate_per_s']:g}/s{capacity}, "
        f"for {left_s:.0f} s: {admission['reason']}"
    )


def _ago(seconds: float) -> str:
    """Write how long ago something was, short."""
    if seconds < 120:
        return f"{max(seconds, 0.0):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
