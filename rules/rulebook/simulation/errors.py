"""What can be wrong with a simulation before it starts: each error is one line that a person can act on."""

from __future__ import annotations

from rulebook.errors import RulebookError


class SimulationError(RulebookError):
    """A simulation cannot be run as it was asked for."""


class TraceError(SimulationError):
    """A trace is not what it should be; the message begins with file and line."""


class ServiceError(SimulationError):
    """No number of replicas of this service could keep the objective."""


class MeaningError(SimulationError):
    """It cannot be told what a signal measures, or the model has no such thing."""
