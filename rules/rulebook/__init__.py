"""The rules: documents, their loading, and the decision they lead to. Imports no sibling; time comes in as an argument."""

from rulebook.admission import AdmissionDecision
from rulebook.coupling import RoomFigures, TargetSegment, figures_key, targets_key
from rulebook.decision import Decision, Step, decide
from rulebook.document import Metadata
from rulebook.errors import DocumentErrors, FormulaError, Problem, RulebookError, UnitError
from rulebook.loading import Documents, load_documents, load_text
from rulebook.memory import Memory, MemoryTextError
from rulebook.observation import Crowd, Missing, Observation, Reading, Value
from rulebook.onsale import AdmissionLimits, Bypass, Onsale, OnsaleSpec, Protect, SessionLimits
from rulebook.pool import Ports, ProcessPool, ProcessPoolSpec, ReadyCheck
from rulebook.recommend import Recommendation
from rulebook.rule import (
    Behavior,
    Paused,
    ReplicaLimits,
    RuleAdmission,
    RuleSpec,
    ScalingPolicy,
    ScalingRule,
    ScalingRules,
    SlowSignal,
    TargetReference,
)
from rulebook.schedule import Fallback, Forecast, ScheduleEntry
from rulebook.signals import ExpositionQuery, OnsaleSignal, PrometheusQuery, SignalSpec

__all__ = [
    "AdmissionDecision",
    "AdmissionLimits",
    "Behavior",
    "Bypass",
    "Crowd",
    "Decision",
    "DocumentErrors",
    "Documents",
    "ExpositionQuery",
    "Fallback",
    "Forecast",
    "FormulaError",
    "Memory",
    "MemoryTextError",
    "Metadata",
    "Missing",
    "Observation",
    "Onsale",
    "OnsaleSignal",
    "OnsaleSpec",
    "Paused",
    "Ports",
    "Problem",
    "ProcessPool",
    "ProcessPoolSpec",
    "PrometheusQuery",
    "Protect",
    "Reading",
    "ReadyCheck",
    "Recommendation",
    "ReplicaLimits",
    "RoomFigures",
    "RuleAdmission",
    "RuleSpec",
    "RulebookError",
    "ScalingPolicy",
    "ScalingRule",
    "ScalingRules",
    "ScheduleEntry",
    "SessionLimits",
    "SignalSpec",
    "SlowSignal",
    "Step",
    "TargetReference",
    "TargetSegment",
    "UnitError",
    "Value",
    "decide",
    "figures_key",
    "load_documents",
    "load_text",
    "targets_key",
]
