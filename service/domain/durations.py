"""Durations as people write them: `60s`, `5m`, `24h`, `3 days`, `1h 30m`. Pure."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final

_UNITS: Final = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60,
    "h": 3600, "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800,
}  # fmt: skip
# An upper bound, so that no moment is later than the year 9999, which cannot be stored.
LONGEST: Final = timedelta(days=36525)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


@lru_cache(maxsize=1024)
def duration(text: str) -> timedelta:
    """`1h 30m` as a timedelta; raises ValueError that shows how to write one."""
    lowered = text.strip().lower()
    seconds, position = 0.0, 0
    while match := _PART.match(lowered, position):
        unit = match[2] if match[2] in _UNITS else match[2].removesuffix("s")
        if unit not in _UNITS:
            break
        seconds += float(match[1]) * _UNITS[unit]
        position = match.end()
    if not lowered or position != len(lowered):
        raise ValueError(f"{text!r} is not a duration; write 30s, 5m, 24h or 3 days")
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than a hundred years")
    return timedelta(seconds=seconds)
