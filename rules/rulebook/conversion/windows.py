"""How long it is from one cron line to another, where that is the same each time."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"\d{1,2}")
_DAY_S: Final = 86400
_WEEKDAYS: Final = {name: day for day, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}


def length_s(start: str, end: str) -> float | None:
    """Give the seconds from a start to the end that follows it; None where they differ from time to time.

    Told for lines with one minute and one hour: on the same days, the end is on the day of the start or, daily, the
    night after it; on one weekday each, within the week. Changes of the clock are left out: four hours are four hours.
    """
    first, last = start.split(), end.split()
    if len(first) != 5 or len(last) != 5:
        return None
    begin, finish = _second_of_day(first), _second_of_day(last)
    if begin is None or finish is None:
        return None
    if first[2:4] != last[2:4]:
        return None
    if first[4].upper() == last[4].upper():
        daily = first[2:] == ["*", "*", "*"]
        if finish > begin:
            return finish - begin
        return finish - begin + _DAY_S if daily and finish != begin else None
    days = (_weekday(first[4]), _weekday(last[4]))
    if first[2:4] != ["*", "*"] or days[0] is None or days[1] is None:
        return None
    return float((days[1] - days[0]) % 7 * _DAY_S) + finish - begin


def _second_of_day(fields: list[str]) -> float | None:
    if not _NUMBER.fullmatch(fields[0]) or not _NUMBER.fullmatch(fields[1]):
        return None
    return float(int(fields[0]) * 60 + int(fields[1]) * 3600)


def _weekday(text: str) -> int | None:
    if _NUMBER.fullmatch(text):
        return int(text) % 7 if int(text) <= 7 else None
    return _WEEKDAYS.get(text.upper())
