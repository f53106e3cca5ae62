"""What a person can ask of the demo, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from tidegate.demo.errors import DemoError
from tidegate.demo.scenarios import FESTIVAL, Blow, Scenario

MAX_BUYERS = 100_000
MIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What is played, how large the crowd is, over how many seconds it arrives after the opening, and where the report goes.

    Without `seconds` they are the scenario's. `keep_data` has a killed store come back with its data. Without `report` it goes
    to a new folder among the temporary ones. `headless` prints a line every few seconds instead of the live table. With `stay`
    everything is left up after the sale, until it is interrupted.

    Raises:
        DemoError: a value is out of its range.
    """

    buyers: int = 800
    seconds: float | None = None
    report: Path | None = None
    headless: bool = False
    seed: int = 1
    scenario: Scenario = FESTIVAL
    keep_data: bool = False
    stay: bool = False

    def __post_init__(self) -> None:
        """Check all values."""
        if not 1 <= self.buyers <= MAX_BUYERS:
            raise DemoError(f"--buyers must be from 1 to {MAX_BUYERS}, not {self.buyers}")
        if not (self.arrive_within_s >= MIN_SECONDS and math.isfinite(self.arrive_within_s)):
            raise DemoError(f"--seconds must be {MIN_SECONDS:g} or more, not {self.seconds:g}")
        if self.keep_data and self.scenario.blow is not Blow.STORE_KILLED:
            raise DemoError(
                f"--keep-data goes with --scenario store-restart; in {self.scenario.name} no store is killed"
            )
        if self.report is not None and self.report.exists() and not self.report.is_dir():
            raise DemoError(f"--report must name a folder, and {self.report} is a file")

    @property
    def arrive_within_s(self) -> float:
        """Over how many seconds after the opening the crowd arrives."""
        return self.scenario.seconds if self.seconds is None else self.seconds
