"""How often the log tells what strangers can bring about at will: at once, then once a minute with how often it was."""

from __future__ import annotations

from typing import Final

REPORT_EVERY_S: Final = 60.0
LONGEST: Final = 80
"""What strangers wrote is cut to as many characters before it is logged."""


class Seldom:
    """Counts one kind of happening, and says when it is due in the log."""

    def __init__(self) -> None:
        self._since_report = 0
        self._due_s: float | None = None

    def count(self, now_s: float) -> int:
        """Count one at `now_s` (monotonic seconds); returns how many to report, 0 while the last report is young."""
        self._since_report += 1
        if self._due_s is not None and now_s < self._due_s:
            return 0
        count, self._since_report, self._due_s = self._since_report, 0, now_s + REPORT_EVERY_S
        return count
