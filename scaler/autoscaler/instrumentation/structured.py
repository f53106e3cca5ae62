"""Events as structured log lines, by structlog; how they are rendered is up to the command line."""

from __future__ import annotations

import structlog

from autoscaler.instrumentation.events import (
    AdmissionNotWithdrawn,
    AdmissionWithdrawn,
    AdmissionWritten,
    ClockCorrected,
    ConditionChanged,
    EndpointsNotWritten,
    Event,
    EventNotWritten,
    LeadershipChanged,
    LeaseFailed,
    ManualScale,
    MemoryRecalled,
    ReplicaExited,
    ReplicaNotStarted,
    ReplicaReadiness,
    ReplicaStarted,
    RoundEnded,
    RuleDecided,
    RuleNotStarted,
    RuleRemoved,
    RuleScaled,
    RulesLoaded,
    RuleStarted,
    ScaleConflict,
    StepFailed,
    WatchInterrupted,
)


class StructlogInstrument:
    """Logs what changes at info, what fails at warning, and what repeats itself each round at debug."""

    def __init__(self) -> None:
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.scaler")

    def record(self, event: Event) -> None:
        """Log an event."""
        log = self._log
        match event:
            case RuleDecided(rule=rule, decision=decision):
                log.debug(
                    "decided", rule=rule, desired=decision.desired, current=decision.current, ready=decision.ready,
                    bound_by=decision.bound_by, reason=decision.reason,
                )  # fmt: skip
                for signal, answer in event.answers.items():
                    if answer.note:
                        log.info("signal_incomplete", rule=rule, signal=signal, note=answer.note)
            case RuleScaled():
                log.info(
                    "scaled",
                    rule=event.rule,
                    target=event.target,
                    before=event.before,
                    after=event.after,
                    reason=event.reason,
                )
            case ManualScale():
                log.warning("scaled_by_others", rule=event.rule, target=event.target, before=event.before,
                            after=event.after, by=event.by)  # fmt: skip
            case ScaleConflict():
                log.info("changed_meanwhile", rule=event.rule, target=event.target, wanted=event.wanted)
            case ConditionChanged(rule=rule, condition=condition):
                # What limits a rule goes and comes with its load; what keeps it from working is worth a look.
                worth = condition.holds or condition.type == "ScalingLimited"
                (log.info if worth else log.warning)(
                    "condition", rule=rule, condition=condition.type, holds=condition.holds,
                    reason=condition.reason, message=condition.message,
                )  # fmt: skip
            case WatchInterrupted():
                log.warning("watch_interrupted", what=event.what, error=event.error, relist=event.relist,
                            retry_in_s=round(event.retry_in_s, 1))  # fmt: skip
            case EventNotWritten():
                log.warning("event_not_written", reason=event.reason, error=event.error)
            case AdmissionWritten(target=target, written=written):
                names = {"rule": target.rule, "onsale": target.onsale}
                if written.accepted:
                    log.debug(
                        "admission_target",
                        **names,
                        rate_per_s=target.rate_per_s,
                        capacity=target.capacity,
                        reason=target.reason,
                    )
                else:
                    log.warning(
                        "admission_target_refused", **names, term=target.term, newest_term=written.term
                    )
            case AdmissionWithdrawn():
                log.info("admission_target_withdrawn", rule=event.rule, onsale=event.onsale)
            case AdmissionNotWithdrawn():
                log.warning(
                    "admission_target_not_withdrawn", rule=event.rule, onsale=event.onsale, error=event.error
                )
            case StepFailed():
                log.warning("step_failed", rule=event.rule, step=event.step, error=event.error)
            case RoundEnded():
                log.debug("round_ended", rule=event.rule, ok=event.ok, took_s=round(event.took_s, 3))
            case MemoryRecalled():
                log.info("memory", rule=event.rule, kept_in=event.where, origin=event.origin,
                         replicas=event.replicas)  # fmt: skip
            case ClockCorrected():
                log.warning("clock_corrected", rule=event.rule, by_s=round(event.by_s, 3))
            case RulesLoaded():
                for message in event.refused:
                    log.error("not_in_force", reason=message)
                log.info("rules_in_force", rules=list(event.rules), last_good_form=sorted(event.outdated))
            case RuleStarted():
                log.debug("rule_started", rule=event.rule)
            case RuleNotStarted():
                log.error("rule_not_started", rule=event.rule, error=event.error)
            case RuleRemoved():
                log.info("rule_removed", rule=event.rule)
            case ReplicaStarted():
                log.info("replica_started", pool=event.pool, url=event.url, pid=event.pid)
            case ReplicaReadiness():
                log.info(
                    "replica_ready" if event.ready else "replica_not_ready", pool=event.pool, url=event.url
                )
            case ReplicaExited(restart_in_s=None):
                log.info("replica_stopped", pool=event.pool, url=event.url, code=event.code)
            case ReplicaExited():
                log.warning("replica_ended_by_itself", pool=event.pool, url=event.url, code=event.code,
                            restart_in_s=event.restart_in_s)  # fmt: skip
            case ReplicaNotStarted():
                log.warning(
                    "replica_not_started", pool=event.pool, error=event.error, retry_in_s=event.retry_in_s
                )
            case LeadershipChanged():
                log.info("leads" if event.leading else "does_not_lead", holder=event.holder, term=event.term,
                         reason=event.reason)  # fmt: skip
            case LeaseFailed():
                log.warning("lease_out_of_reach", error=event.error)
            case EndpointsNotWritten():
                log.warning("endpoints_file_not_written", pool=event.pool, error=event.error)
