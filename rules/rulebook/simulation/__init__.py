"""What a rule would have done: a trace of requests replayed against a model of the service, decided by the real `decide`.

Pure: no files, no clock, no randomness. The way of the data: `arrivals` (the trace) -> `replay` (with `service`, the
queueing model, and `meters`, what can be measured of it) -> `meaning` (what each signal reads) -> `pilots` (who decides) ->
`scores`; `rivals` holds the HPA's algorithm, and `comparison` puts it all together. `backtest` replays recorded readings instead
of a trace, without a model of the service.
"""

from rulebook.simulation.arrivals import Segment, Trace, parse_trace
from rulebook.simulation.backtest import Backtest, Course, Recorded, backtest
from rulebook.simulation.comparison import BEGINS_AT, Comparison, Contender, Settings, compare
from rulebook.simulation.errors import MeaningError, ServiceError, SimulationError, TraceError
from rulebook.simulation.meaning import MEANINGS, Mapping, Meaning, map_signals
from rulebook.simulation.modelled import model_courses
from rulebook.simulation.replay import Run, replay
from rulebook.simulation.scores import Scores
from rulebook.simulation.service import Service

__all__ = [
    "BEGINS_AT",
    "MEANINGS",
    "Backtest",
    "Comparison",
    "Contender",
    "Course",
    "Mapping",
    "Meaning",
    "MeaningError",
    "Recorded",
    "Run",
    "Scores",
    "Segment",
    "Service",
    "ServiceError",
    "Settings",
    "SimulationError",
    "Trace",
    "TraceError",
    "backtest",
    "compare",
    "map_signals",
    "model_courses",
    "parse_trace",
    "replay",
]
