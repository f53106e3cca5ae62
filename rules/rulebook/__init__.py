"""The rules: documents, their loading, and the decision they lead to. Imports no sibling; time comes in as an argument."""

from rulebook.admission import SHOP_SLOW, AdmissionDecision, read_ready
from rulebook.coupling import RoomFigures, figures_key, targets_key, terms_key
from rulebook.decision import Decision, decide
from rulebook.document import Metadata
from rulebook.errors import DocumentErrors, FormulaError, Problem, RulebookError, UnitError
from rulebook.explain import explain, explain_json
from rulebook.finding import Finding
from rulebook.forecast import ForecastError, make_forecast
from rulebook.history import History, begin_history
from rulebook.kept import Kept, KeptTextError, read_kept, write_kept
from rulebook.lint import lint
from rulebook.loading import (
    Documents,
    Faulty,
    Loaded,
    Survey,
    load_documents,
    load_text,
    survey_documents,
)
from rulebook.memory import Memory
from rulebook.observation import Crowd, Expected, Missing, Observation, OnsaleTimes, Reading, Value
from rulebook.onsale import AdmissionLimits, Bypass, DrawTerms, Onsale, OnsaleSpec, Protect, SessionLimits
from rulebook.outlook import Outlook, read_outlook
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
from rulebook.ruletest import CrowdSeries, Expectation, RuleTest
from rulebook.schedule import Fallback, Forecast, ScheduleEntry
from rulebook.signals import ExpositionQuery, OnsaleSignal, PrometheusQuery, SignalSpec
from rulebook.steps import Step
from rulebook.testreport import Reported, report_json, report_junit, report_text
from rulebook.testrun import Check, Difference, TestResult, run_test

__all__ = [
    "SHOP_SLOW",
    "AdmissionDecision",
    "AdmissionLimits",
    "Behavior",
    "Bypass",
    "Check",
    "Crowd",
    "CrowdSeries",
    "Decision",
    "Difference",
    "DocumentErrors",
    "Documents",
    "DrawTerms",
    "Expectation",
    "Expected",
    "ExpositionQuery",
    "Fallback",
    "Faulty",
    "Finding",
    "Forecast",
    "ForecastError",
    "FormulaError",
    "History",
    "Kept",
    "KeptTextError",
    "Loaded",
    "Memory",
    "Metadata",
    "Missing",
    "Observation",
    "Onsale",
    "OnsaleSignal",
    "OnsaleSpec",
    "OnsaleTimes",
    "Outlook",
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
    "Reported",
    "RoomFigures",
    "RuleAdmission",
    "RuleSpec",
    "RuleTest",
    "RulebookError",
    "ScalingPolicy",
    "ScalingRule",
    "ScalingRules",
    "ScheduleEntry",
    "SessionLimits",
    "SignalSpec",
    "SlowSignal",
    "Step",
    "Survey",
    "TargetReference",
    "TestResult",
    "UnitError",
    "Value",
    "begin_history",
    "decide",
    "explain",
    "explain_json",
    "figures_key",
    "lint",
    "load_documents",
    "load_text",
    "make_forecast",
    "read_kept",
    "read_outlook",
    "read_ready",
    "report_json",
    "report_junit",
    "report_text",
    "run_test",
    "survey_documents",
    "targets_key",
    "terms_key",
    "write_kept",
]
